"""The half of the fake TensorRT that runs: engines, their contexts and the runtime that opens them."""

import json
import warnings

import numpy as np

FLOAT, HALF = 0, 1


def need(value, kind):
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError("incompatible function arguments: {!r}".format(value))


def deprecated(name):
    warnings.warn("{} is deprecated".format(name), DeprecationWarning, stacklevel=3)


def session_of(data):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def say(logger, text):
    logger.log(logger.ERROR, text)


def check_logger(logger):
    # pybind's objects whose __init__ was not called cannot be used.
    assert logger._made


def runtime(gpu, version, by_binding, by_name, modes):
    """Return ``Runtime`` of a version; ``modes`` is its ``TensorIOMode`` where it knows tensors by name."""

    class Engine(object):
        def __init__(self, header, data, logger):
            self._header, self._logger, self._session = header, logger, session_of(data)
            outputs = [node.name for node in self._session.get_outputs()]
            # Neither the input first nor the outputs in the file's order.
            self._names = outputs[1:] + list(header["inputs"]) + outputs[:1]

        def _shape(self, name):
            header = self._header
            if name in header["inputs"]:
                return tuple(header["inputs"][name])
            shape = {node.name: node.shape for node in self._session.get_outputs()}[name]
            (fed,) = header["inputs"].values()
            if -1 not in fed:
                zeros = np.zeros(fed, np.float32)
                return self._session.run([name], dict.fromkeys(header["inputs"], zeros))[0].shape
            return tuple(side if isinstance(side, int) else -1 for side in shape)

        def create_execution_context(self):
            return Context(self)

        if by_binding:

            def _old(self):
                if by_name:
                    deprecated("a call by binding")

            @property
            def num_bindings(self):
                self._old()
                return len(self._names)

            def get_binding_name(self, index):
                self._old()
                return self._names[index]

            def get_binding_index(self, name):
                self._old()
                return self._names.index(name)

            def binding_is_input(self, index):
                need(index, int)
                self._old()
                return self._names[index] in self._header["inputs"]

            def get_binding_dtype(self, index):
                need(index, int)
                self._old()
                return FLOAT

            def get_binding_shape(self, index):
                need(index, int)
                self._old()
                return self._shape(self._names[index])

            def get_profile_shape(self, profile, index):
                self._old()
                return self._header["profiles"][self._names[index]]

        if by_name:

            @property
            def num_io_tensors(self):
                return len(self._names)

            def get_tensor_name(self, index):
                return self._names[index]

            def get_tensor_mode(self, name):
                return modes.INPUT if name in self._header["inputs"] else modes.OUTPUT

            def get_tensor_dtype(self, name):
                need(name, str)
                return FLOAT

            def get_tensor_shape(self, name):
                need(name, str)
                return self._shape(name)

            def get_tensor_profile_shape(self, name, profile):
                need(name, str)
                return self._header["profiles"][name]

    class Context(object):
        def __init__(self, engine):
            gpu.need_context()
            self._engine, self._addresses = engine, {}
            ((self._input, shape),) = engine._header["inputs"].items()
            self._set = None if -1 in shape else tuple(shape)

        def _set_shape(self, name, shape):
            least, _, most = self._engine._header["profiles"][name]
            if len(shape) != len(least) or any(not a <= b <= c for a, b, c in zip(least, shape, most)):
                say(self._engine._logger, "shape {} is out of the profile's range".format(shape))
                return False
            self._set = tuple(shape)
            return True

        def _shape(self, name):
            if self._set is None or name == self._input:
                return self._set or self._engine._shape(name)
            zeros = np.zeros(self._set, np.float32)
            return self._engine._session.run([name], {self._input: zeros})[0].shape

        def _enqueue(self, addresses, stream):
            need(stream, int)
            if self._set is None or sorted(addresses) != sorted(self._engine._names):
                say(self._engine._logger, "not all shapes or addresses are set")
                return False
            gpu.put(stream, lambda: self._compute(dict(addresses), self._set))
            return True

        def _compute(self, addresses, shape):
            header = self._engine._header
            fed = gpu.read(addresses[self._input], int(np.prod(shape)) * 4).view(np.float32).reshape(shape)
            if header["range"] is not None:
                fed = np.round(fed / header["range"] * 127).clip(-127, 127).astype(np.float32) / 127 * header["range"]
            names = [name for name in self._engine._names if name != self._input]
            for name, value in zip(names, self._engine._session.run(names, {self._input: fed.astype(np.float32)})):
                if header["half"]:
                    value = value.astype(np.float16).astype(np.float32)
                gpu.write(addresses[name], np.ascontiguousarray(value).reshape(-1).view(np.uint8))

        if by_binding:

            def set_binding_shape(self, index, shape):
                need(index, int)
                self._engine._old()
                return self._set_shape(self._engine._names[index], tuple(shape))

            def get_binding_shape(self, index):
                need(index, int)
                self._engine._old()
                return self._shape(self._engine._names[index])

            def execute_async_v2(self, bindings, stream_handle):
                need(bindings, list)
                self._engine._old()
                return self._enqueue(dict(zip(self._engine._names, bindings)), stream_handle)

        if by_name:

            def set_input_shape(self, name, shape):
                need(name, str)
                return self._set_shape(name, tuple(shape))

            def get_tensor_shape(self, name):
                need(name, str)
                return self._shape(name)

            def set_tensor_address(self, name, address):
                need(name, str)
                need(address, int)
                self._addresses[name] = address
                return True

            def execute_async_v3(self, stream_handle):
                return self._enqueue(self._addresses, stream_handle)

    class Runtime(object):
        def __init__(self, logger):
            check_logger(logger)
            self._logger = logger

        def deserialize_cuda_engine(self, plan):
            gpu.need_context()
            header, _, data = bytes(plan).partition(b"\0")
            header = json.loads(header.decode())
            if (header["version"], header["gpu"]) != (version, gpu.name):
                say(
                    self._logger, "The engine plan file is not compatible with this version of TensorRT or GPU\nrebuild"
                )
                return None
            return Engine(header, data, self._logger)

    return Runtime
