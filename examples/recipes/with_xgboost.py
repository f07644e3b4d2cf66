"""XGBoost: onnxmltools turns the boosted trees into one operator of ONNX."""
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from xgboost import XGBClassifier


def make(rows, labels):
    model = XGBClassifier(n_estimators=60, max_depth=4, random_state=7).fit(rows, labels)
    graph = convert_xgboost(model, initial_types=[("input", FloatTensorType([None, rows.shape[1]]))], target_opset=15)
    return graph, model.predict_proba
