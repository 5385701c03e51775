"""TensorRT without one: a module for each generation of its Python API, whose engines run in ONNX Runtime.

Each has the calls that its generation has and no others: the names were compared with the bindings of TensorRT 8.6.1,
10.7 and 11.4; those of 8.2 are the project's notes. Engines read and write the fake GPU's memory when the stream gets there,
their bindings are not in the file's order, half precision rounds, and INT8 rounds to what calibration saw.
"""

import enum
import importlib.machinery
import json
import types

import numpy as np
import trt_fake_engines
from trt_fake_engines import FLOAT, HALF, check_logger, deprecated, need, say, session_of

GENERATIONS = ("8.2.1.9", "8.6.1", "10.7.0", "11.4.0")


def with_note(data, note):
    """Return an ONNX file with a text in it (ModelProto.doc_string), which changes its hash and not what it computes."""
    assert len(note) < 128
    return data + bytes([0x32, len(note)]) + note.encode()


class Flag(enum.IntEnum):
    EXPLICIT_BATCH = 0


class Layer(object):
    def __init__(self, kind, dtype):
        self.type, self._dtype = kind, dtype

    def get_output(self, index):
        return types.SimpleNamespace(dtype=self._dtype)


class InputTensor(object):
    def __init__(self, name, shape):
        self.name, self.shape = name, tuple(shape)


class Closed(object):
    """Refuses attributes that its class does not name, as pybind's classes do."""

    allowed = ()

    def __setattr__(self, name, value):
        if not name.startswith("_") and name not in self.allowed:
            raise AttributeError("no attribute {}".format(name))
        object.__setattr__(self, name, value)


def make(gpu, version, fast_int8=True):
    """Return a ``tensorrt`` module of a version in :data:`GENERATIONS`; ``module.builds`` counts engines built."""
    major = int(version.split(".")[0])
    by_binding, by_name = major == 8, version != "8.2.1.9"
    weak = major < 11

    trt = types.ModuleType("tensorrt")
    trt.__spec__ = importlib.machinery.ModuleSpec("tensorrt", None)
    trt.__version__, trt.builds, trt.calibrated, trt.fed = version, 0, 0, 0
    trt.DataType = types.SimpleNamespace(FLOAT=FLOAT, HALF=HALF, INT32=3)
    trt.LayerType = types.SimpleNamespace(QUANTIZE=41, CONVOLUTION=0)
    trt.NetworkDefinitionCreationFlag = Flag if weak else types.SimpleNamespace(STRONGLY_TYPED=1)
    trt.BuilderFlag = types.SimpleNamespace(**dict({"FP16": 0, "INT8": 1} if weak else {}, TF32=7))
    if by_name:
        trt.TensorIOMode = types.SimpleNamespace(INPUT=1, OUTPUT=2)
        trt.MemoryPoolType = types.SimpleNamespace(WORKSPACE=0)

    class ILogger(object):
        INTERNAL_ERROR, ERROR, WARNING, INFO = range(4)

        def __init__(self):
            self._made = True

    class Logger(ILogger):
        pass

    class Network(object):
        def __init__(self, explicit):
            self.explicit, self.data = explicit, None
            self.num_inputs, self.num_layers = 0, 0

        def get_input(self, index):
            return self.inputs[index]

        def get_layer(self, index):
            return self.layers[index]

    class ParserError(object):
        def __init__(self, text):
            self._text = text

        def desc(self):
            return self._text

        def node(self):
            return 3

        if major >= 10:

            def node_name(self):
                return "dense/MatMul"

            def node_operator(self):
                return "MatMul"

    class OnnxParser(object):
        def __init__(self, network, logger):
            check_logger(logger)
            self._network, self._errors = network, []

        @property
        def num_errors(self):
            return len(self._errors)

        def get_error(self, index):
            return self._errors[index]

        def parse(self, data):
            need(data, bytes)
            if not self._network.explicit:
                self._errors.append(ParserError("this version supports networks of explicit batch only"))
                return False
            try:
                session = session_of(data)
            except Exception:
                self._errors.append(ParserError("Assertion failed: node of a kind it does not know\nat line 3"))
                return False
            network = self._network
            network.data = data
            network.inputs = [
                InputTensor(node.name, [side if isinstance(side, int) else -1 for side in node.shape])
                for node in session.get_inputs()
            ]
            kind = trt.LayerType.QUANTIZE if b"QuantizeLinear" in data else trt.LayerType.CONVOLUTION
            # A file that was made half precision casts its inputs.
            network.layers = [Layer(trt.LayerType.CONVOLUTION, HALF if b"Cast" in data else FLOAT), Layer(kind, FLOAT)]
            network.num_inputs, network.num_layers = len(network.inputs), 2
            return True

    class Profile(object):
        def __init__(self):
            self.shapes = {}

        def set_shape(self, name, least, usual, most):
            self.shapes[name] = [list(size) for size in (least, usual, most)]

    class Config(Closed):
        allowed = (("max_workspace_size",) if by_binding else ()) + (("int8_calibrator",) if weak else ())

        def __init__(self):
            self._flags, self._profiles, self._workspace, self._calibration = set(), [], None, None

        def __setattr__(self, name, value):
            if name == "max_workspace_size" and by_name and by_binding:
                deprecated(name)
            Closed.__setattr__(self, "_workspace" if name == "max_workspace_size" and by_binding else name, value)

        def set_flag(self, flag):
            need(flag, int)
            self._flags.add(flag)

        def add_optimization_profile(self, profile):
            self._profiles.append(profile)
            return len(self._profiles) - 1

        if by_name:

            def set_memory_pool_limit(self, pool, size):
                assert pool == trt.MemoryPoolType.WORKSPACE
                need(size, int)
                self._workspace = size

        if weak:

            def set_calibration_profile(self, profile):
                self._calibration = profile
                return True

    class HostMemory(bytearray):
        pass

    class Builder(object):
        def __init__(self, logger):
            check_logger(logger)
            gpu.need_context()
            self._logger = logger
            if weak:
                self.platform_has_fast_int8 = fast_int8
                self.platform_has_fast_fp16 = True

        def create_network(self, flags=0):
            need(flags, int)
            return Network(major > 8 or flags & 1 << Flag.EXPLICIT_BATCH)

        def create_builder_config(self):
            return Config()

        def create_optimization_profile(self):
            return Profile()

        def build_serialized_network(self, network, config):
            gpu.need_context()
            trt.builds += 1
            shapes = {}
            for tensor in network.inputs:
                if -1 in tensor.shape:
                    if not config._profiles or tensor.name not in config._profiles[0].shapes:
                        say(self._logger, "Network has dynamic inputs, but no optimization profile has been defined.")
                        return None
                    shapes[tensor.name] = config._profiles[0].shapes[tensor.name]
                else:
                    shapes[tensor.name] = [list(tensor.shape)] * 3
            if config._workspace is None or (b"HUNGRY" in network.data and config._workspace < 512 << 20):
                say(self._logger, "[builder] Could not find any implementation\nfor node conv1")
                return None
            quantised = network.layers[1].type == trt.LayerType.QUANTIZE
            header = {
                "version": version,
                "gpu": gpu.name,
                "half": (weak and trt.BuilderFlag.FP16 in config._flags) or b"Cast" in network.data,
                "range": None,
                "inputs": {tensor.name: list(tensor.shape) for tensor in network.inputs},
                "profiles": shapes,
            }
            if weak and trt.BuilderFlag.INT8 in config._flags and not quantised:
                header["range"] = self._calibrate(network, config)
                if header["range"] is None:
                    return None
            return HostMemory(json.dumps(header).encode() + b"\0" + network.data)

        def _calibrate(self, network, config):
            calibrator = getattr(config, "int8_calibrator", None)
            if calibrator is None or (-1 in network.inputs[0].shape and config._calibration is None):
                say(self._logger, "Calibration failure occurred with no scaling factors detected")
                return None
            cached = calibrator.read_calibration_cache()
            if cached is not None:
                return json.loads(bytes(cached).decode())["range"]
            name = network.inputs[0].name
            shape = config._calibration.shapes[name][1] if config._calibration else list(network.inputs[0].shape)
            assert calibrator.get_batch_size() == shape[0]
            largest = 0.0
            while True:
                addresses = calibrator.get_batch([name])
                if addresses is None:
                    break
                need(addresses, list)
                need(addresses[0], int)
                values = gpu.read(addresses[0], int(np.prod(shape)) * 4).view(np.float32)
                largest = max(largest, float(np.abs(values).max()))
                trt.fed += 1
            trt.calibrated += 1
            calibrator.write_calibration_cache(memoryview(json.dumps({"range": largest}).encode()))
            return largest

    trt.Runtime = trt_fake_engines.runtime(gpu, version, by_binding, by_name, trt.TensorIOMode if by_name else None)
    trt.ILogger, trt.Logger, trt.OnnxParser, trt.Builder = ILogger, Logger, OnnxParser, Builder
    if weak:

        class IInt8EntropyCalibrator2(object):
            def __init__(self):
                self._made = True

        trt.IInt8EntropyCalibrator2 = IInt8EntropyCalibrator2
    return trt
