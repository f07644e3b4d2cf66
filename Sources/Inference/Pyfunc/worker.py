# Slipway's pyfunc worker: one MLflow model, served over the socket that is this process's standard input.
#
# Arguments: the model's folder, the most bytes that a frame may have. A frame is 12 bytes (how many are
# JSON, u32; how many there are, u64; little-endian), then the JSON, then the binary data of its tensors, as
# in an Open Inference Protocol body. The first frame tells the model's signature, or why there is none;
# after that each request gets one answer. The worker ends when the socket closes, whatever it is doing.
import json
import os
import select
import signal
import socket
import struct
import sys
import threading

HEAD = struct.Struct("<IQ")
COLUMN_TYPES = {
    "boolean": ("BOOL", "bool"),
    "integer": ("INT32", "int32"),
    "long": ("INT64", "int64"),
    "float": ("FP32", "float32"),
    "double": ("FP64", "float64"),
    "string": ("BYTES", "str"),
    "binary": ("BYTES", "bytes"),
    "datetime": ("BYTES", "datetime64[ns]"),
}
TENSOR_TYPES = {
    "bool": "BOOL", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
    "float16": "FP16", "float32": "FP32", "float64": "FP64",
}
NUMPY_TYPES = {datatype: name for name, datatype in TENSOR_TYPES.items()}
# MLflow's codes for input that does not fit the signature.
CALLER_ERRORS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "MALFORMED_REQUEST"}


class Refusal(Exception):
    def __init__(self, message, code="invalid_argument", remedy=None):
        super().__init__(message)
        self.message, self.code, self.remedy = message, code, remedy


class Field:
    """A tensor of the protocol, and the column or tensor of the model that it stands for."""

    def __init__(self, name, key, datatype, kind, shape, is_column):
        self.name, self.key, self.datatype, self.kind = name, key, datatype, kind
        self.shape, self.is_column = shape, is_column

    def described(self):
        return {"name": self.name, "datatype": self.datatype, "shape": self.shape}


def fields(schema, what):
    if schema.is_tensor_spec():
        made = []
        for index, spec in enumerate(schema.inputs):
            kind = spec.type.name if spec.type.kind not in "USO" else "str"
            datatype = "BYTES" if kind == "str" else TENSOR_TYPES.get(kind)
            if datatype is None:
                raise Refusal(f"{what} {spec.name or index} of the model has the type '{kind}', which the protocol has not")
            made.append(Field(spec.name or f"{what}-{index}", spec.name, datatype, kind, [int(size) for size in spec.shape], False))
        return made
    made = []
    for index, spec in enumerate(schema.inputs):
        name = getattr(spec.type, "name", None)
        if name not in COLUMN_TYPES:
            raise Refusal(
                f"{what} '{spec.name or index}' of the model has the type '{spec.type}', which no tensor can carry",
                remedy="log the model with plain columns or tensors",
            )
        datatype, kind = COLUMN_TYPES[name]
        key = index if spec.name is None else spec.name
        made.append(Field(spec.name or f"{what}-{index}", key, datatype, kind, [-1, 1], True))
    return made


class Model:
    def __init__(self, path):
        try:
            import mlflow.pyfunc
            import numpy
            import pandas
        except ImportError as error:
            raise Refusal(
                f"the Python that serves pyfunc models has no module '{error.name}'",
                "failed_precondition",
                f"install MLflow for it: {sys.executable} -m pip install mlflow",
            ) from error
        self.numpy, self.pandas = numpy, pandas
        try:
            self.model = mlflow.pyfunc.load_model(path)
        except ImportError as error:
            raise Refusal(
                f"the model needs the Python module '{error.name}', which is not installed",
                "failed_precondition",
                f"install what it was logged with: {sys.executable} -m pip install -r {os.path.join(path, 'requirements.txt')}",
            ) from error
        except Exception as error:
            raise Refusal(f"MLflow could not load the model: {told(error)}") from error
        signature = self.model.metadata.signature
        if signature is None or signature.inputs is None or signature.outputs is None:
            part = "signature" if signature is None or signature.inputs is None else "outputs in its signature"
            raise Refusal(
                f"the model has no {part}, and so nobody knows its tensors",
                remedy="log it with signature=mlflow.models.infer_signature(inputs, outputs)",
            )
        self.inputs = fields(signature.inputs, "input")
        self.outputs = fields(signature.outputs, "output")

    def predict(self, tensors, wanted):
        if self.inputs[0].is_column:
            data = {field.key: self.column(tensors[field.name], field) for field in self.inputs}
            given = self.pandas.DataFrame(data)
        elif self.inputs[0].key is None and len(self.inputs) == 1:
            given = tensors[self.inputs[0].name]
        else:
            given = {field.key: tensors[field.name] for field in self.inputs}
        result = self.model.predict(given)
        by_name = {field.name: field for field in self.outputs}
        return [(by_name[name], self.output(result, by_name[name])) for name in wanted]

    def column(self, tensor, field):
        flat = tensor.reshape(-1)
        if field.kind != "str" and not field.kind.startswith("datetime"):
            return flat
        try:
            texts = [item.decode("utf-8") for item in flat]
        except UnicodeDecodeError as error:
            raise Refusal(f"input '{field.name}' has an element that is no UTF-8 text") from error
        if field.kind == "str":
            return self.numpy.array(texts, dtype=object)
        try:
            return self.pandas.to_datetime(texts)
        except ValueError as error:
            raise Refusal(f"input '{field.name}' has an element that is no time: {told(error)}") from error

    def output(self, result, field):
        """What the model returned for one output, as the signature declares it."""
        numpy = self.numpy
        if isinstance(result, dict):
            value = result.get(field.key, result.get(field.name))
        elif isinstance(result, self.pandas.DataFrame):
            if field.key in result.columns:
                value = result[field.key]
            elif len(self.outputs) == 1:
                value = result
            elif field.is_column and len(result.columns) == len(self.outputs):
                value = result.iloc[:, self.outputs.index(field)]
            else:
                value = None
        elif len(self.outputs) == 1:
            value = result
        else:
            array = numpy.asarray(result)
            isTable = array.ndim == 2 and array.shape[1] == len(self.outputs)
            value = array[:, self.outputs.index(field)] if isTable else None
        if value is None:
            raise Refusal(f"the model returned no output '{field.name}', which its signature declares", "unexpected")
        if hasattr(value, "toarray"):
            value = value.toarray()
        array = numpy.asarray(value)
        return self.shaped(self.typed(array, field), field)

    def typed(self, array, field):
        numpy = self.numpy
        if field.datatype == "BYTES":
            if field.kind.startswith("datetime"):
                array = numpy.datetime_as_string(array.astype("datetime64[ns]"))
            made = numpy.empty(array.shape, dtype=object)
            for index, item in numpy.ndenumerate(array):
                made[index] = bytes(item) if isinstance(item, (bytes, bytearray)) else str(item).encode("utf-8")
            return made
        if array.dtype == object:
            array = numpy.array(array.tolist())
        try:
            return array.astype(field.kind, casting="same_kind", copy=False)
        except TypeError as error:
            raise Refusal(
                f"the model returned '{array.dtype}' for output '{field.name}'; its signature says '{field.kind}'", "unexpected"
            ) from error

    def shaped(self, array, field):
        # A column is a vector to Python, and so is a vector of outputs with one element a row.
        if array.ndim != len(field.shape) and array.ndim > 0:
            rest = [size for size in field.shape[1:]]
            if -1 not in rest and array.size == array.shape[0] * int(self.numpy.prod(rest, dtype=int)):
                array = array.reshape([array.shape[0]] + rest)
        if array.ndim != len(field.shape) or any(want not in (-1, has) for want, has in zip(field.shape, array.shape)):
            raise Refusal(
                f"the model returned the shape {list(array.shape)} for output '{field.name}'; its signature says {field.shape}",
                "unexpected",
            )
        return array


def told(error):
    text = str(error).strip()
    return f"{type(error).__name__}: {text[:1000]}" if text else type(error).__name__


class Connection:
    def __init__(self, stream, frame_bytes_max):
        self.stream, self.frame_bytes_max = stream, frame_bytes_max

    def receive(self):
        """The JSON and the binary part of the next frame; nothing when the server is gone."""
        head = self.read(HEAD.size)
        if head is None:
            return None
        json_bytes, bytes_ = HEAD.unpack(head)
        if not json_bytes <= bytes_ <= self.frame_bytes_max:
            raise SystemExit("the frame is longer than frames may be")
        body = self.read(bytes_)
        if body is None:
            return None
        return json.loads(bytes(memoryview(body)[:json_bytes])), memoryview(body)[json_bytes:]

    def read(self, count):
        body = bytearray(count)
        view, filled = memoryview(body), 0
        while filled < count:
            got = self.stream.recv_into(view[filled:])
            if got == 0:
                return None
            filled += got
        return body

    def send(self, content, parts=()):
        text = json.dumps(content).encode("utf-8")
        count = len(text) + sum(len(part) for part in parts)
        if count > self.frame_bytes_max:
            return self.send(failure(Refusal(f"the answer has more than {self.frame_bytes_max} bytes", "exhausted")))
        self.stream.sendall(HEAD.pack(len(text), count) + text)
        for part in parts:
            self.stream.sendall(part)


def failure(error):
    if isinstance(error, Refusal):
        return {"error": error.message, "code": error.code, "remedy": error.remedy}
    code = "invalid_argument" if getattr(error, "error_code", None) in CALLER_ERRORS else "unexpected"
    return {"error": f"the model raised {told(error)}", "code": code}


def tensor(numpy, described, binary, offset):
    """One input out of the binary part, and where the next begins."""
    end = offset + described["parameters"]["binary_data_size"]
    part = binary[offset:end]
    if described["datatype"] != "BYTES":
        # A copy: models may write into what they get.
        array = numpy.frombuffer(part, dtype=NUMPY_TYPES[described["datatype"]]).copy()
        return array.reshape(described["shape"]), end
    items, place = [], 0
    while place < len(part):
        (length,) = struct.unpack_from("<I", part, place)
        items.append(bytes(part[place + 4:place + 4 + length]))
        place += 4 + length
    made = numpy.empty(len(items), dtype=object)
    made[:] = items
    return made.reshape(described["shape"]), end


def binary_part(numpy, array):
    if array.dtype != object:
        return memoryview(numpy.ascontiguousarray(array)).cast("B") if array.size else b""
    return b"".join(struct.pack("<I", len(item)) + item for item in array.reshape(-1))


def answer(model, request, binary):
    tensors, offset = {}, 0
    for described in request["inputs"]:
        tensors[described["name"]], offset = tensor(model.numpy, described, binary, offset)
    wanted = [output["name"] for output in request.get("outputs", [])]
    outputs, parts = [], []
    for field, array in model.predict(tensors, wanted):
        part = binary_part(model.numpy, array)
        parts.append(part)
        outputs.append({
            "name": field.name, "datatype": field.datatype, "shape": list(array.shape),
            "parameters": {"binary_data_size": len(part)},
        })
    return {"model_name": "model", "model_version": "1", "outputs": outputs}, parts


def end():
    """Ends this process and all that the model has started."""
    try:
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
    finally:
        os._exit(0)


def end_with(stream):
    """Waits for the server to close the socket: also a model in the middle of a long run then ends."""
    poll = select.poll()
    poll.register(stream.fileno(), getattr(select, "POLLRDHUP", 0))
    while not poll.poll():
        pass
    end()


def main():
    path, frame_bytes_max = sys.argv[1], int(sys.argv[2])
    # Nothing of the server's but the three streams is this process's concern.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    stream = socket.socket(fileno=os.dup(0))
    # Models that read their standard input find it empty.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if os.getpgrp() != os.getpid():
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with, args=(stream,), daemon=True).start()
    connection = Connection(stream, frame_bytes_max)
    try:
        model = Model(path)
    except Exception as error:
        connection.send(failure(error))
        end()
    described = {"inputs": [field.described() for field in model.inputs], "outputs": [field.described() for field in model.outputs]}
    connection.send({"signature": described})
    while (frame := connection.receive()) is not None:
        try:
            content, parts = answer(model, *frame)
        except Exception as error:
            content, parts = failure(error), ()
        connection.send(content, parts)
    end()


main()
