"""A FastAPI gateway that proxies to a v2 model server with aiohttp: the faster of the usual clients.

UPSTREAM: the v2 server. MODEL: the model's name there. Run: uvicorn proxy_aiohttp:app --port P --workers 1 --no-access-log
"""
import os
from contextlib import asynccontextmanager

import aiohttp
import orjson
from fastapi import FastAPI, Request, Response

session: aiohttp.ClientSession
url = f"{os.environ['UPSTREAM']}/v2/models/{os.environ['MODEL']}/infer"


@asynccontextmanager
async def lifespan(_: FastAPI):
    global session
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256))
    yield
    await session.close()


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
async def predict(request: Request):
    rows = orjson.loads(await request.body())["instances"]
    data = [value for row in rows for value in row]
    body = {"inputs": [{"name": "input", "shape": [len(rows), 30], "datatype": "FP32", "data": data}]}
    async with session.post(url, data=orjson.dumps(body)) as answer:
        outputs = {output["name"]: output["data"] for output in orjson.loads(await answer.read())["outputs"]}
    return Response(orjson.dumps({"outputs": outputs}), media_type="application/json")
