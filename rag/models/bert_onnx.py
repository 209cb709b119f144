"""MiniLM's BERT as an ONNX graph of fused operators, run by onnxruntime without torch.

The graph is assembled at load time from the published weights; nothing is converted or stored. It uses
the contrib operators that onnxruntime's own transformer optimizer would emit (domain `com.microsoft`:
EmbedLayerNormalization, Attention, SkipLayerNormalization, BiasGelu with the exact error function),
so results agree with the reference implementation to rounding.

Memory: the weights stay in the memory-mapped safetensors file and are handed to onnxruntime by
reference. It repacks the matrices for its kernels, after which only the rows of the word embedding
table that texts touch are read from the map again.

Sources: "BERT" (Devlin et al. 2019); "Sentence-BERT" (Reimers & Gurevych 2019) for mean pooling;
onnxruntime's "Contrib Operators"; the safetensors format description.
"""

import hashlib
import json
import math
import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from rag.errors import ModelError

LAYERS = 6  # from the model's config.json, as are the next three
HEADS = 12
HIDDEN = 384
EPSILON = 1e-12
CONTRIB = "com.microsoft"
OPSET = 17  # has every standard operator used here; any later one would do as well
WORDS = "words"  # the word embedding table; an input, because onnxruntime would copy an initializer
IR_VERSION = 8  # the file format that belongs to opset 17

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class BertStates:
    """What one run yields for b texts of s padded pieces.

    Attributes:
        vectors: (b, 384), mean over the real pieces, L2-normalised.
        states: (b, s, 384), the last hidden states as they are; padding rows are meaningless.
    """

    vectors: Floats
    states: Floats


class BertEncoder:
    """One onnxruntime session. Thread safe; each run works on the thread that calls it."""

    def __init__(self, session: Any, weights: Mapping[str, Floats]) -> None:
        self._session = session
        self._weights = weights  # the session reads these arrays but does not own them

    @classmethod
    def open(cls, path: Path, sha256: str) -> Self:
        """Load a safetensors file.

        Raises:
            ModelError: the file is missing, is not the expected one, or onnxruntime refuses the graph.
        """
        mapping = _map_file(path)
        check_sha256(mapping, sha256, path.name)
        weights = _graph_weights(_read_tensors(mapping))
        session = _open_session(weights)
        if hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)  # repacked by now: give the pages back (90 MB)
            mapping.madvise(mmap.MADV_RANDOM)  # from now on single rows are read: no read-ahead
        return cls(session, weights)

    def vectors(self, ids: Integers, mask: Integers) -> Floats:
        """Pooled unit vectors, (b, 384), of `ids` (b, s), padded on the right where `mask` is 0."""
        return self._run(["vectors"], ids, mask)[0]

    def states(self, ids: Integers, mask: Integers) -> BertStates:
        """Pooled vectors and last hidden states of `ids` (b, s), padded where `mask` is 0."""
        vectors, states = self._run(["vectors", "states"], ids, mask)
        return BertStates(vectors=vectors, states=states)

    def _run(self, outputs: list[str], ids: Integers, mask: Integers) -> list[Floats]:
        with _as_model_error("The embedding model failed"):
            feeds = {"ids": ids, "mask": mask, WORDS: self._weights[WORDS]}
            results: list[Floats] = self._session.run(outputs, feeds)
        return results


def check_sha256(data: bytes | mmap.mmap, expected: str, name: str) -> None:
    """Raise ModelError unless `data` has the SHA-256 `expected` (hexadecimal)."""
    actual = hashlib.sha256(data).hexdigest()
    if actual != expected:
        raise ModelError(f"{name} has SHA-256 {actual}, expected {expected}")


def _map_file(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as exc:  # ValueError: an empty file cannot be mapped
        raise ModelError(f"Cannot read the model weights {path.name}") from exc


def _read_tensors(mapping: mmap.mmap) -> dict[str, Floats]:
    """Views into a safetensors file: 8 bytes header length, JSON header, then the tensors' bytes."""
    start = 8 + int.from_bytes(mapping[:8], "little")
    header = json.loads(mapping[8:start])
    return {
        name: np.frombuffer(
            mapping,
            dtype=np.float32,
            count=math.prod(entry["shape"]),
            offset=start + entry["data_offsets"][0],
        ).reshape(entry["shape"])
        for name, entry in header.items()
        if entry.get("dtype") == "F32"  # the rest is metadata and an unused table of positions
    }


def _graph_weights(tensors: Mapping[str, Floats]) -> dict[str, Floats]:
    """The initializers by their name in the graph.

    Copied are only the positions, with the embedding of token type 0 added (single texts have no other
    type), and the attention matrices, which the fused operator wants side by side: (384, 3 * 384).
    Everything else is a view of `tensors`.
    """
    weights = {
        WORDS: tensors["embeddings.word_embeddings.weight"],
        "positions": tensors["embeddings.position_embeddings.weight"]
        + tensors["embeddings.token_type_embeddings.weight"][0],
        "embedding_norm.weight": tensors["embeddings.LayerNorm.weight"],
        "embedding_norm.bias": tensors["embeddings.LayerNorm.bias"],
    }
    for layer in range(LAYERS):
        weights |= _layer_weights(tensors, layer)
    return weights


def _layer_weights(tensors: Mapping[str, Floats], layer: int) -> dict[str, Floats]:
    source = f"encoder.layer.{layer}"
    heads = [f"{source}.attention.self.{part}" for part in ("query", "key", "value")]
    attention = np.concatenate([tensors[f"{head}.weight"] for head in heads]).T
    weights = {
        f"{layer}.attention.weight": np.ascontiguousarray(attention),  # onnxruntime shares no other layout
        f"{layer}.attention.bias": np.concatenate([tensors[f"{head}.bias"] for head in heads]),
    }
    parts = {
        "projection": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "output_norm": "output.LayerNorm",
    }
    for name, part in parts.items():
        for kind in ("weight", "bias"):
            weights[f"{layer}.{name}.{kind}"] = tensors[f"{source}.{part}.{kind}"]
    return weights


def _layer_nodes(layer: int, hidden: str, output: str) -> list[onnx.NodeProto]:
    """One transformer block from the tensor `hidden` to the tensor `output`, both (b, s, 384)."""
    at = f"{layer}."

    def linear(name: str, source: str) -> onnx.NodeProto:  # torch stores (out, in): transB, no copy
        inputs = [source, f"{at}{name}.weight"]
        return helper.make_node("FusedMatMul", inputs, [f"{at}{name}"], domain=CONTRIB, transB=1)

    def add_and_norm(name: str, dense: str, residual: str, result: str) -> onnx.NodeProto:
        inputs = [f"{at}{dense}", residual, f"{at}{name}.weight", f"{at}{name}.bias", f"{at}{dense}.bias"]
        return helper.make_node("SkipLayerNormalization", inputs, [result], domain=CONTRIB, epsilon=EPSILON)

    attention = [hidden, f"{at}attention.weight", f"{at}attention.bias", "lengths"]
    attended = f"{at}attended"
    return [
        helper.make_node("Attention", attention, [f"{at}attention"], domain=CONTRIB, num_heads=HEADS),
        linear("projection", f"{at}attention"),
        add_and_norm("attention_norm", "projection", hidden, attended),
        linear("up", attended),
        helper.make_node("BiasGelu", [f"{at}up", f"{at}up.bias"], [f"{at}gelu"], domain=CONTRIB),
        linear("down", f"{at}gelu"),
        add_and_norm("output_norm", "down", attended, output),
    ]


def _nodes() -> list[onnx.NodeProto]:
    """Embedding, the blocks, then pooling: a sum over real pieces, since its unit vector is the mean's."""
    norm = ["embedding_norm.weight", "embedding_norm.bias"]
    embed = helper.make_node(
        "EmbedLayerNormalization",
        ["ids", "", WORDS, "positions", "", *norm, "mask"],
        ["hidden.0", "lengths"],
        domain=CONTRIB,
        epsilon=EPSILON,
    )
    names = [f"hidden.{layer}" for layer in range(LAYERS)] + ["states"]
    blocks = [_layer_nodes(layer, names[layer], names[layer + 1]) for layer in range(LAYERS)]
    pooling = [
        helper.make_node("Cast", ["mask"], ["mask.float"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask.float", "middle"], ["mask.row"]),
        helper.make_node("MatMul", ["mask.row", "states"], ["sum.row"]),
        helper.make_node("Squeeze", ["sum.row", "middle"], ["sum"]),
        helper.make_node("LpNormalization", ["sum"], ["vectors"], axis=-1, p=2),
    ]
    return [embed, *(node for block in blocks for node in block), *pooling]


def _declared(name: str, array: Floats) -> onnx.TensorProto:
    """An initializer without its values: they are handed to the session by name."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=array.shape)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="memory")  # the format demands one; it is never opened
    return tensor


def build_model(weights: Mapping[str, Floats]) -> onnx.ModelProto:
    """The graph: int32 `ids` and `mask` (b, s) to `vectors` (b, 384) and `states` (b, s, 384).

    The word embedding table is a third input, passed by reference at each run: 47 MB that are not copied.
    """
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT32, ["b", "s"]),
        helper.make_tensor_value_info("mask", TensorProto.INT32, ["b", "s"]),
        helper.make_tensor_value_info(WORDS, TensorProto.FLOAT, weights[WORDS].shape),
    ]
    outputs = [
        helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["b", HIDDEN]),
        helper.make_tensor_value_info("states", TensorProto.FLOAT, ["b", "s", HIDDEN]),
    ]
    constants = [helper.make_tensor("middle", TensorProto.INT64, [1], [1])]
    initializers = [_declared(name, array) for name, array in weights.items() if name != WORDS]
    graph = helper.make_graph(_nodes(), "minilm", inputs, outputs, [*constants, *initializers])
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def _open_session(weights: Mapping[str, Floats]) -> Any:
    runtime = _import_runtime()
    options = runtime.SessionOptions()
    # Parallelism comes from concurrent runs (see `minilm`): faster than splitting each operator over
    # threads, and a session of one thread has no pool whose idle workers spin.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # plans one block per input shape: memory, and no speed, here
    shared = {name: array for name, array in weights.items() if name != WORDS}
    values = [runtime.OrtValue.ortvalue_from_numpy(array) for array in shared.values()]
    options.add_external_initializers(list(shared), values)
    model = build_model(weights).SerializeToString()
    with _as_model_error("onnxruntime refused the embedding model"):
        return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _import_runtime() -> Any:
    """Import onnxruntime with its telemetry off.

    Official builds send usage events to the vendor by default; only this variable, set before the
    library initialises, prevents all of them (onnxruntime's "Privacy", section "Disabling Telemetry").
    Hence the late import.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # noqa: PLC0415 — must follow the line above

    return onnxruntime


@contextmanager
def _as_model_error(message: str) -> Iterator[None]:
    """Translate onnxruntime's errors, which share no base class, to ModelError."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415 — see _import_runtime

    errors = (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.NotImplemented,
        state.RuntimeException,
    )
    try:
        yield
    except errors as exc:
        raise ModelError(f"{message}: {exc}") from exc
