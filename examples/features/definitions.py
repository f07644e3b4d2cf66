"""What the gateway joins: measurements of a patient, by the patient's number."""

from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float64

patient = Entity(name="patient", join_keys=["patient_id"], value_type=ValueType.INT64)

source = FileSource(path=str(Path(__file__).resolve().parent / "measurements.parquet"), timestamp_field="event_timestamp")

measurements = FeatureView(
    name="measurements",
    entities=[patient],
    ttl=timedelta(days=3650),
    source=source,
    schema=[Field(name="radius", dtype=Float64), Field(name="texture", dtype=Float64), Field(name="area", dtype=Float64)],
)

tumor = FeatureService(name="tumor", features=[measurements])
