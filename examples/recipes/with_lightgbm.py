"""LightGBM: onnxmltools, without zipmap."""
from lightgbm import LGBMClassifier
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType


def make(rows, labels):
    model = LGBMClassifier(n_estimators=60, random_state=7, verbose=-1).fit(rows, labels)
    types = [("input", FloatTensorType([None, rows.shape[1]]))]
    return convert_lightgbm(model, initial_types=types, zipmap=False, target_opset=15), model.predict_proba
