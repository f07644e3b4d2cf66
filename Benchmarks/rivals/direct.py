"""The usual small server: FastAPI, orjson and onnxruntime in one process.

MODEL: the ONNX file. Run: uvicorn direct:app --port P --workers 1 --no-access-log
"""
import os

import numpy as np
import onnxruntime
import orjson
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
app = FastAPI()


@app.post("/predict")
async def predict(request: Request):
    rows = np.array(orjson.loads(await request.body())["instances"], dtype=np.float32)
    label, probabilities = session.run(["label", "probabilities"], {"input": rows})
    body = {"outputs": {"label": label.tolist(), "probabilities": probabilities.tolist()}}
    return Response(orjson.dumps(body), media_type="application/json")
