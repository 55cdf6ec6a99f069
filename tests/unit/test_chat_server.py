"""The player behind a server, against the server that ships with transformers: real HTTP, a real model."""

import itertools
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.conftest import TINY
from tests.unit.replying_server import player_entry

from social_dilemmas.agents.api.player import ApiPlayer
from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.corpus import game_texts
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.config.schema.players import ApiPlayer as ApiSettings
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game
from social_dilemmas.policy.model import load_model, write_base_model

ROUNDS = 2
OUTCOMES = list(itertools.product("AB", repeat=2))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedded model that has learned to write <A> and <B>, and to end there, without any mask."""
    folder = tmp_path_factory.mktemp("served")
    write_base_model(TINY, *game_texts([{"name": "prisoners_dilemma"}]), folder / "base")
    language_model = load_model(folder / "base", device="cpu")
    game = build_game("prisoners_dilemma", ROUNDS)
    conversations = []
    for outcomes in itertools.product(OUTCOMES, repeat=ROUNDS):
        match, messages = game.start(0), []
        for pair in outcomes:
            prompt = match.turns()[0].prompt
            messages.append({"role": "user", "content": prompt})
            messages.append({"role": "assistant", "content": f"<{pair[0]}>"})
            match.take(dict(enumerate(f"<{action}>" for action in pair)))
        conversations.append(
            language_model.tokenizer.apply_chat_template(messages, return_dict=True)["input_ids"]
        )
    tokens = torch.tensor(conversations)  # (conversations, length)
    optimizer = torch.optim.AdamW(language_model.model.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        batch = tokens[torch.randperm(len(tokens), generator=generator)[:8]]
        language_model.model(input_ids=batch, labels=batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    # Else the server takes a model of this type for one that writes ChatML.
    language_model.tokenizer.response_template = {
        "start_anchor": "<|assistant|>",
        "fields": {"content": {"close": "<|end|>", "content": "text"}},
    }
    language_model.save(folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def url(model: Path) -> Iterator[str]:
    """The address of a server that serves this model."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    transformers = Path(sys.executable).with_name("transformers")
    command = [str(transformers), "serve", str(model), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--device", "cpu", "--default-seed", "0"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    log = model.parent / "server.log"
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
    try:
        deadline = time.monotonic() + 120
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def player_of(url: str, model: str, folder: Path) -> ApiPlayer:
    changes = {"max_new_tokens": 8, "timeout": 60, "retries": 1, "attempts": 5}
    entry = player_entry(base_url=url, model=model, **changes)
    return ApiPlayer(ApiSettings(**entry), folder / "responses.sqlite")


def test_a_real_match_with_a_served_model(url: str, model: Path, tmp_path: Path) -> None:
    game = build_game("prisoners_dilemma", ROUNDS)
    histories = []
    for _ in range(2):
        player = player_of(url, str(model), tmp_path)
        player.check_reachable()
        checks = player.usage_record["requests"]
        matches = [game.start(seed) for seed in range(4)]
        opponent = scripted_player("prisoners_dilemma", "tit_for_tat")
        play(matches, [(player, opponent), (opponent, player)] * 2)
        histories.append([match.history for match in matches])
        assert all(match.invalid == [0, 0] for match in matches)
        assert {len(match.history) for match in matches} == {ROUNDS}
        usage = player.usage_record
        responses = usage["requests"] - checks + usage["cached_responses"]
        assert responses - usage["invalid_replies"] == 4 * ROUNDS
        assert usage["completion_tokens"] >= 2 * 4 * ROUNDS  # `<A>` and the end
        assert usage["prompt_tokens"] > usage["completion_tokens"]
    assert usage["requests"] == checks  # a rerun asks nothing
    assert histories[0] == histories[1]
    played = {round.actions for history in histories[0] for round in history}
    assert len(played) > 1  # it samples


def test_a_model_that_the_server_has_not(url: str, tmp_path: Path) -> None:
    player = player_of(url, "no/such-model", tmp_path)
    with pytest.raises(UserError, match=r"no/such-model\) answers with status \d"):
        player.reply(build_game("prisoners_dilemma", 1).start(0).turns()[:1])
