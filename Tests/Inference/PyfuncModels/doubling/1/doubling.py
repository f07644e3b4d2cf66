"""y = 2x; three values of x are an order: to die, to raise, to take very long."""
import os
import signal
import time

import mlflow.models
import mlflow.pyfunc


class Doubling(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        if (model_input == 666).any():
            os.kill(os.getpid(), signal.SIGKILL)
        if (model_input == 777).any():
            raise ValueError("no sevens here")
        if (model_input == 888).any():
            time.sleep(600)
        return model_input * 2


mlflow.models.set_model(Doubling())
