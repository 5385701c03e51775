"""Frozen graphs, ONNX and reduced precision compute what the Keras model computes; files that do not are refused."""

import numpy as np
import pytest
from export_fakes import stir

from export import files, frozen, onnx_export, parity, precision
from kface.errors import ConfigError, ModelError
from kface.networks import runtimes


def write(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.fixture(scope="session")
def small_graph(small_network):
    return frozen.freeze(small_network)


class TestFrozen:
    def test_named_ends_and_any_batch(self, small_graph):
        holders = [node for node in small_graph.node if node.op == "Placeholder"]
        assert [node.name for node in holders] == [frozen.INPUT]
        assert [size.size for size in holders[0].attr["shape"].shape.dim] == [-1, 112, 112, 3]
        assert small_graph.node[-1].name == frozen.OUTPUT
        used = {source.split(":")[0] for node in small_graph.node for source in node.input}
        assert {node.name for node in small_graph.node} - used == {frozen.OUTPUT}

    def test_it_is_raw(self, small_graph):
        # What grappler makes of it is read wrongly by OpenCV from a batch of two on.
        assert not {"_FusedConv2D", "_FusedMatMul", "FusedBatchNormV3"} & {node.op for node in small_graph.node}

    def test_every_reader_agrees(self, small_graph, smooth, wanted, tmp_path):
        path = write(tmp_path, "embedder.pb", small_graph.SerializeToString())
        rows = files.prove(path, files.Proof(smooth, wanted), "dynamic")[0]
        assert {(row.reader, row.batch) for row in rows} == {
            (reader, batch) for reader in ("opencv", "tensorflow") for batch in (1, 8)
        }
        assert max(row.difference for row in rows) < parity.CLOSE

    def test_resnet_too(self, smooth, tmp_path):
        import keras

        from train import backbones

        keras.utils.set_random_seed(1)
        network = stir(backbones.build("resnet50", width=0.125, embedding=16), smooth.transpose(0, 2, 3, 1))
        expected = np.asarray(network(smooth.transpose(0, 2, 3, 1), training=False))
        path = write(tmp_path, "embedder.pb", frozen.freeze(network).SerializeToString())
        assert (
            max(row.difference for row in files.prove(path, files.Proof(smooth, expected), "dynamic")[0]) < parity.CLOSE
        )


class TestOnnx:
    def test_shape_names_and_operators(self, small_onnx):
        import onnx

        model = onnx.load_model_from_string(small_onnx)
        assert [one.version for one in model.opset_import if one.domain == ""] == [13]
        (image,), (embedding,) = model.graph.input, model.graph.output
        shape = [size.dim_value or size.dim_param for size in image.type.tensor_type.shape.dim]
        assert (image.name, shape) == (frozen.INPUT, ["batch", 3, 112, 112])
        shape = [size.dim_value or size.dim_param for size in embedding.type.tensor_type.shape.dim]
        assert (embedding.name, shape) == (frozen.OUTPUT, ["batch", 32])
        # Not in TensorRT's table of operators.
        assert "Reciprocal" not in {node.op_type for node in model.graph.node}

    def test_every_reader_agrees(self, small_onnx, smooth, wanted, tmp_path):
        rows = files.prove(write(tmp_path, "embedder.onnx", small_onnx), files.Proof(smooth, wanted), "dynamic")[0]
        assert {row.reader for row in rows} == set(runtimes()) & {"onnxruntime", "openvino", "opencv"}
        assert max(row.difference for row in rows) < parity.CLOSE

    def test_a_fixed_batch(self, small_network, smooth, wanted, tmp_path):
        path = write(tmp_path, "embedder.batch1.onnx", onnx_export.to_onnx(small_network, 17, 1))
        rows = files.prove(path, files.Proof(smooth, wanted), 1)[0]
        assert {row.batch for row in rows} == {1}
        # OpenCV would take it, and give something else.
        for run in files.readers(path).values():
            with pytest.raises(ModelError, match="shape"):
                run(smooth[:2])

    @pytest.mark.parametrize(("opset", "batch", "key"), [(12, None, "opset"), (13, 0, "batch"), (13, 1.5, "batch")])
    def test_wrong_settings(self, small_network, opset, batch, key):
        with pytest.raises(ConfigError, match=key):
            onnx_export.to_onnx(small_network, opset, batch)


class TestPrecision:
    def test_int8(self, shallow_onnx, smooth, shallow_wanted, tmp_path):
        data = precision.to_int8(shallow_onnx, np.concatenate([smooth, smooth[::-1]]))
        assert len(data) < 0.4 * len(shallow_onnx)
        path = write(tmp_path, "embedder.int8.onnx", data)
        rows, _ = files.prove(path, files.Proof(smooth, shallow_wanted), "dynamic", exact=False)
        mine = [row for row in rows if row.reader == "onnxruntime"]
        assert 0.95 < min(row.cosine for row in mine) < 1 - 1e-6

    def test_int8_is_made_again_the_same(self, shallow_onnx, smooth):
        faces = np.concatenate([smooth, smooth])
        assert precision.to_int8(shallow_onnx, faces) == precision.to_int8(shallow_onnx, faces)

    def test_too_few_faces(self, shallow_onnx, smooth):
        with pytest.raises(ConfigError, match="at least 32 faces, and there are 16"):
            precision.to_int8(shallow_onnx, smooth)

    def test_fp16(self, shallow_onnx, smooth, shallow_wanted, tmp_path):
        data = precision.to_fp16(shallow_onnx)
        assert len(data) < 0.7 * len(shallow_onnx)
        path = write(tmp_path, "embedder.fp16.onnx", data)
        rows, _ = files.prove(path, files.Proof(smooth, shallow_wanted), "dynamic", exact=False)
        assert min(row.cosine for row in rows if row.reader == "onnxruntime") > 0.9999


class TestParity:
    def test_another_network_is_refused_by_name(self, small_onnx, smooth, wanted, tmp_path):
        other = wanted + np.random.default_rng(0).normal(0, 0.05, wanted.shape).astype(np.float32)
        with pytest.raises(ModelError, match=r"wrong\.onnx: differs by .* from the Keras model when run by"):
            files.write_and_prove(tmp_path, "wrong.onnx", small_onnx, files.facts(), files.Proof(smooth, other))
        assert not (tmp_path / "wrong.onnx").exists()

    def test_channels_in_the_wrong_order_are_noticed(self, small_onnx, smooth, wanted, tmp_path):
        with pytest.raises(ModelError, match="differs by .* from the Keras model"):
            files.write_and_prove(
                tmp_path, "bgr.onnx", small_onnx, files.facts(), files.Proof(smooth[:, ::-1].copy(), wanted)
            )

    def test_what_is_not_finite_or_of_another_length(self, smooth, wanted):
        with pytest.raises(ModelError, match="not finite"):
            parity.compare("x", "y", lambda batch: np.full((len(batch), 32), np.nan), smooth, wanted)
        with pytest.raises(ModelError, match="shape"):
            parity.compare("x", "y", lambda batch: np.zeros((len(batch), 31)), smooth, wanted)

    def test_the_table(self, wanted, smooth):
        rows = parity.compare("embedder.onnx", "echo", lambda batch: wanted[: len(batch)], smooth[:1], wanted, (1,))
        text = parity.table(rows, "real faces")
        assert "1 real faces" in text
        assert "embedder.onnx  echo" in text
        assert "do not run it with" not in text
        assert "echo computes something else" in parity.table([rows[0]._replace(cosine=0.7)], "real faces")
