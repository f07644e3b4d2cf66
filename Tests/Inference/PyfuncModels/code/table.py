"""A sum, a word in capitals and a comparison: columns in, columns out."""
import mlflow.models
import mlflow.pyfunc
import pandas


class Table(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        total = model_input["a"] + model_input["b"]
        return pandas.DataFrame({"total": total, "label": model_input["word"].str.upper(), "big": total > 10})


mlflow.models.set_model(Table())
