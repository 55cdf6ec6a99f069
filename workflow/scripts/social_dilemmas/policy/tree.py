"""The conversations of a batch as a tree: what they have in common is computed once.

Each node is a token, and the way to it from its root the conversation so far: conversations that begin alike pass
through the same nodes. A node's hidden state depends on its path alone, so one state stands for those of separate
conversations, and one gradient, which is the sum over all that pass.

In a forward pass everything but attention goes node by node, without padding. Attention is computed along the paths,
block by block of positions: the nodes at positions 64 to 127, say, of every path that is new there, ask for keys and
values at positions 0 to 127 of their path.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

BLOCK = 64  # positions whose attention is computed together


@dataclass(frozen=True)
class Block:
    """Attention at some positions: (paths, queries) nodes that ask, (paths, keys) nodes that are asked.

    The queries are at the last of the positions that the keys have, the same in all paths.
    """

    queries: Tensor
    keys: Tensor


@dataclass(frozen=True)
class PrefixTree:
    """Nodes are numbered so that parents come before their children.

    Attributes:
        tokens, positions: (nodes,) of every node.
        paths: (conversations, length) nodes of the tokens; past the end of a conversation, any nodes.
        blocks: the attention of all nodes.
        order: (nodes,) where each node stands among the queries of all blocks, laid end to end.
    """

    tokens: Tensor
    positions: Tensor
    paths: Tensor
    blocks: tuple[Block, ...]
    order: Tensor

    def __len__(self) -> int:
        return len(self.tokens)


def prefix_tree(
    conversations: Sequence[list[int]], device: torch.device | str = "cpu"
) -> PrefixTree:
    """The tree of at least one conversation, none of them empty."""
    order, shared = sorted_prefixes(conversations)
    tokens = _padded([conversations[number] for number in order])  # (conversations, length)
    new = (tokens >= 0) & (np.arange(tokens.shape[1]) >= np.array(shared)[:, None])
    nodes = np.where(new, new.cumsum().reshape(new.shape) - 1, 0)
    paths = np.maximum.accumulate(nodes, axis=0)  # what isn't new is as in the row above
    pieces, answers = [], []
    for start in range(0, tokens.shape[1], BLOCK):
        here = slice(start, start + BLOCK)
        rows = new[:, here].any(axis=1)  # paths that are new here
        pieces.append((paths[rows, here], paths[rows, : here.stop]))
        answers.append(np.where(new[rows, here], nodes[rows, here], -1).ravel())
    answered = np.concatenate(answers)  # node of every query, -1 where another path's stands for it
    place = np.argsort(answered, kind="stable")[(answered < 0).sum() :]

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    return PrefixTree(
        tokens=tensor(tokens[new]),
        positions=tensor(np.nonzero(new)[1]),
        paths=tensor(paths[np.argsort(order)]),
        blocks=tuple(Block(tensor(queries), tensor(keys)) for queries, keys in pieces),
        order=tensor(place),
    )


def sorted_prefixes(conversations: Sequence[list[int]]) -> tuple[list[int], list[int]]:
    """The order in which each conversation has as much in common with its predecessor as with any before it.

    Returns:
        Numbers of the conversations in that order, and how many tokens each of them begins with that its predecessor
        begins with too; all of them, if it is the same conversation or the predecessor goes on.
    """
    order = sorted(range(len(conversations)), key=lambda number: conversations[number])
    rows = _padded([conversations[number] for number in order])  # (conversations, length)
    same = (rows[1:] == rows[:-1]) & (rows[1:] >= 0)  # (conversations - 1, length)
    return order, [0, *np.logical_and.accumulate(same, axis=1).sum(axis=1).tolist()]


def _padded(rows: Sequence[list[int]]) -> np.ndarray:
    """(rows, length) of the longest, with -1 after the end of others."""
    padded = np.full((len(rows), max(map(len, rows))), -1, dtype=np.int64)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return padded
