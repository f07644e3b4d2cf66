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
names = [output.name for output in session.get_outputs()]
app = FastAPI()


@app.post("/predict")
async def predict(request: Request):
    rows = np.array(orjson.loads(await request.body())["instances"], dtype=np.float32)
    results = session.run(names, {"input": rows})
    body = {"outputs": {name: result.tolist() for name, result in zip(names, results)}}
    return Response(orjson.dumps(body), media_type="application/json")
