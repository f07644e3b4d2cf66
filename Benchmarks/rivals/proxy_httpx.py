"""The usual arrangement: a FastAPI gateway that proxies to a v2 model server with httpx.

UPSTREAM: the v2 server. MODEL: the model's name there. Run: uvicorn proxy_httpx:app --port P --workers 1 --no-access-log
"""
import os

import httpx
import orjson
from fastapi import FastAPI, Request, Response

client = httpx.AsyncClient(base_url=os.environ["UPSTREAM"], limits=httpx.Limits(max_connections=256, max_keepalive_connections=256))
app = FastAPI()


@app.post("/predict")
async def predict(request: Request):
    rows = orjson.loads(await request.body())["instances"]
    data = [value for row in rows for value in row]
    body = {"inputs": [{"name": "input", "shape": [len(rows), 30], "datatype": "FP32", "data": data}]}
    answer = await client.post(f"/v2/models/{os.environ['MODEL']}/infer", content=orjson.dumps(body))
    outputs = {output["name"]: output["data"] for output in orjson.loads(answer.content)["outputs"]}
    return Response(orjson.dumps({"outputs": outputs}), media_type="application/json")
