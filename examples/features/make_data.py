"""Writes measurements.parquet: a few patients; the third has never had an area measured."""

from pathlib import Path

import pandas

frame = pandas.DataFrame(
    {
        "patient_id": [1, 2, 3],
        "radius": [17.99, 20.57, 12.45],
        "texture": [10.38, 17.77, 15.7],
        "area": [1001.0, 1326.0, None],
        "event_timestamp": pandas.to_datetime(["2026-01-01"] * 3, utc=True),
    }
)
frame.to_parquet(Path(__file__).resolve().parent / "measurements.parquet")
