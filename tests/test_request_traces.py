"""Traces in their native formats, with their traps."""

from __future__ import annotations

import gzip
import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sim.errors import InputError
from sim.units import NS_PER_S
from sim.workload.replay import Replay
from sim.workload.servegen import Client, read_lengths, read_windows
from sim.workload.traces import Trace, read_trace

AZURE = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
    "2023-11-16 18:17:03.9799600,4808,10\r\n"
    "2023-11-16 18:17:04.0319601,3180,8"  # seven digits, and no newline at the end
)
BURST_1 = (
    "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,Conversation log\n"
)
BURST_3 = (
    "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5.5,abc,1.2,ChatGPT,472,18,490,Conversation log\n7.0,,1.2,GPT-4,5,6,11,API log\n"
)
MOONCAKE = "\n".join(
    json.dumps({"timestamp": t, "input_length": 1030, "output_length": 5, "hash_ids": [1, 2, 3 + t]}) for t in (0, 3000)
)
BAILIAN = "\n".join(
    json.dumps(
        {"chat_id": chat, "parent_chat_id": parent, "timestamp": t, "input_length": 33, "output_length": 5,
         "type": "text", "turn": 1, "hash_ids": [7, 8, 9]}
    )
    for chat, parent, t in ((1, -1, 0.5), (2, 1, 9.25), (3, -1, 4.0), (4, 2, 20.0))
)  # fmt: skip
RAGPULSE = "\n".join(
    json.dumps(
        {"timestamp": t, "input_length": 900, "output_length": 7, "session_id": "s1",
         "hash_ids": {"system": [1, 2], "passages": [[3, 4], [5]], "question": [6]}}
    )
    for t in ("0", "12.5")
)  # fmt: skip
OWN = (
    "timestamp_utc,prompt_tokens,output_tokens,session,priority\n"
    "2025-01-01T00:00:00Z,5,6,a,1\n2025-01-01T00:00:01Z,5,6,,\n"
)


def read(tmp_path: Path, text: str, **options: object) -> Trace:
    path = tmp_path / "trace.csv"
    path.write_bytes(text.encode())
    return read_trace(path, **options)  # type: ignore[arg-type]


def test_azure(tmp_path: Path) -> None:
    trace = read(tmp_path, AZURE)
    assert trace.report.format == "azure"
    assert trace.requests.arrival_ns.tolist() == [0, 52_000_100]
    assert trace.requests.prompt_tokens.tolist() == [4808, 3180]
    assert trace.first_ns == 1_700_158_623 * NS_PER_S + 979_960_000  # 2023-11-16 18:17:03 UTC


def test_burstgpt_with_and_without_sessions(tmp_path: Path) -> None:
    assert read(tmp_path, BURST_1).requests.output_tokens.tolist() == [18]
    third = read(tmp_path, BURST_3)
    assert third.requests.session.tolist() == [0, -1]
    assert third.requests.arrival_ns.tolist() == [0, 1_500_000_000]


def test_a_failed_request_is_named_or_left_out(tmp_path: Path) -> None:
    text = BURST_1 + "6,ChatGPT,10,0,10,Conversation log\n7,ChatGPT,10,3,13,Conversation log\n"
    with pytest.raises(InputError, match="the request failed"):
        read(tmp_path, text)
    skipped = read(tmp_path, text, skip=True)
    assert (skipped.report.rows, skipped.report.skipped) == (3, 1)
    assert skipped.report.problems[0].line == 3
    assert skipped.requests.output_tokens.tolist() == [18, 3]


def test_mooncake(tmp_path: Path) -> None:
    trace = read(tmp_path, MOONCAKE)
    assert trace.block_tokens == 512
    assert trace.requests.arrival_ns.tolist() == [0, 3 * NS_PER_S]  # milliseconds
    assert trace.requests.prefix_hashes.tolist() == [1, 2, 3, 1, 2, 3003]


def test_bailian_follows_parents_to_their_session(tmp_path: Path) -> None:
    trace = read(tmp_path, BAILIAN)
    assert trace.block_tokens == 16
    assert trace.requests.arrival_ns.tolist() == [0, 3_500_000_000, 8_750_000_000, 19_500_000_000]  # sorted, in seconds
    assert trace.requests.session.tolist() == [0, 1, 0, 0]


def test_ragpulse(tmp_path: Path) -> None:
    trace = read(tmp_path, RAGPULSE)
    assert trace.report.format == "ragpulse"
    assert trace.requests.arrival_ns.tolist() == [0, 12_500_000_000]
    assert trace.requests.prefix_hashes.tolist() == [1, 2, 3, 4, 5, 6] * 2


def test_mooncakes_form_with_sessions_counts_milliseconds(tmp_path: Path) -> None:
    """As AIPerf has it: RAGPulse has the same names, and its times are seconds, written as text."""
    rows = [{"session_id": who, "timestamp": ms, "input_length": 600, "output_length": 7, "hash_ids": [1, 2]}
            for who, ms in (("a", 0), ("b", 500), ("a", 10_535.0))]  # fmt: skip
    trace = read(tmp_path, "\n".join(json.dumps(row) for row in rows))
    assert trace.report.format == "mooncake"
    assert trace.requests.arrival_ns.tolist() == [0, 500_000_000, 10_535_000_000]
    assert trace.requests.session.tolist() == [0, 1, 0]


def test_a_turn_that_waits_for_an_answer_says_what_it_lacks(tmp_path: Path) -> None:
    """AIPerf 0.13 writes later turns with a delay after the answer before them, and with no time of their own."""
    rows = [{"session_id": "a", "timestamp": 0, "input_length": 300, "output_length": 40},
            {"session_id": "a", "delay": 2000, "input_length": 150, "output_length": 20}]  # fmt: skip
    text = "\n".join(map(json.dumps, rows))
    with pytest.raises(InputError, match=r"ms after an answer.*write its timestamp, or use arrivals") as raised:
        read(tmp_path, text)
    assert raised.value.problems[0].line == 2
    assert len(read(tmp_path, text, skip=True).requests.arrival_ns) == 1


def test_own(tmp_path: Path) -> None:
    trace = read(tmp_path, OWN)
    assert trace.requests.priority.tolist() == [1, 0]
    assert trace.requests.session.tolist() == [0, -1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "is not of any known format"),
        ('{"a": 1}\n', "is not of any known format"),
        ("{nonsense\n", "no JSON record in its first"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "holds no requests"),
        (AZURE + "\r\nyesterday,5,6", "cannot be read"),
        (AZURE + "\r\n2023-11-16 18:17:05,-5,6", "ContextTokens of -5 tokens"),
        (AZURE + "\r\n2023-11-16 18:17:05,5,2.5", "not a whole number of tokens"),
        (AZURE + "\r\n2023-11-16 18:17:05,5", "fewer fields than the header"),
        (MOONCAKE + '\n{"timestamp": 5, "input_length": 3}', "has no 'output_length'"),
        (MOONCAKE + '\n{"timestamp": 5, "input_length": 3, "output_length": true}', "not a whole number"),
        (MOONCAKE + '\n{"timestamp": 1e400, "input_length": 3, "output_length": 4}', "is not a finite number"),
        (MOONCAKE + "\n[1, 2]", "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert says in str(caught.value)


def hashed(kind: str, tokens: int, ids: object) -> str:
    """A row of a prompt of ``tokens`` with these ids, by format."""
    row: dict[str, object] = {"timestamp": 9, "input_length": tokens, "output_length": 5, "hash_ids": ids}
    more: dict[str, dict[str, object]] = {
        "mooncake": {},
        "bailian": {"chat_id": 5, "parent_chat_id": -1},
        "ragpulse": {"session_id": "s"},
    }
    return json.dumps(row | more[kind])


PLAIN = {"mooncake": MOONCAKE, "bailian": BAILIAN, "ragpulse": RAGPULSE}


@pytest.mark.parametrize(
    ("kind", "tokens", "ids", "says"),
    [
        ("mooncake", 20, [0, 1], "2 hashed blocks of 512 tokens for a prompt of 20 tokens, which has 1"),
        ("mooncake", 512, [0, 1], "which has 1"),
        ("mooncake", 1025, [0, 1], "which has 3"),
        ("mooncake", 1025, [], "0 hashed blocks"),
        ("bailian", 16, [3, 4], "2 hashed blocks of 16 tokens for a prompt of 16 tokens, which has 1"),
        ("bailian", 33, [3, 4], "which has 3"),
        ("ragpulse", 2, {"sys_prompt": [1, 2], "user_input": [3]}, "3 hashed blocks for a prompt of 2 tokens"),
        *(
            case
            for kind, tokens in (("mooncake", 600), ("bailian", 20), ("ragpulse", 900))
            for case in (
                (kind, tokens, [7, 7], "names the hashed block 7 twice"),
                (kind, tokens, [7, -1], "a hashed block of -1; ids are from 0"),
                (kind, tokens, [7, 1 << 62], "ids are from 0 to 2**62"),
                (kind, tokens, [7, "8"], "an id is a whole number"),
                (kind, tokens, [7, 8.0], "an id is a whole number"),
                (kind, tokens, [7, True], "an id is a whole number"),
                (kind, tokens, [7, None], "an id is a whole number"),
            )
        ),
        ("mooncake", 600, {"a": [7, 8]}, "no list of ids"),
        ("mooncake", 600, [[7, 8]], "an id is a whole number"),
        ("bailian", 20, 7, "no list of ids"),
        ("bailian", 20, None, "no list of ids"),
        ("ragpulse", 20, None, "an id is a whole number"),
    ],
)
def test_ids_are_held_against_their_prompt(tmp_path: Path, kind: str, tokens: int, ids: object, says: str) -> None:
    text = PLAIN[kind] + "\n" + hashed(kind, tokens, ids)
    with pytest.raises(InputError, match=re.escape(says)):
        read(tmp_path, text)
    skipped = read(tmp_path, text, skip=True)
    assert (skipped.report.skipped, len(skipped.requests)) == (1, len(PLAIN[kind].splitlines()))


def test_blocks_of_another_size_are_stated(tmp_path: Path) -> None:
    """Tools that write Mooncake's records choose the size of a block (guidellm's hash_id_block_size)."""
    row = hashed("mooncake", 1030, list(range(17)))
    with pytest.raises(InputError, match="17 hashed blocks of 512 tokens"):
        read(tmp_path, row)
    assert read(tmp_path, row, block_tokens=64).block_tokens == 64
    with pytest.raises(InputError, match="6 hashed blocks of 256 tokens for a prompt of 900"):
        read(tmp_path, RAGPULSE, block_tokens=256)
    assert read(tmp_path, RAGPULSE, block_tokens=128).block_tokens == 128


def test_a_row_may_have_no_ids_at_all(tmp_path: Path) -> None:
    trace = read(tmp_path, MOONCAKE + '\n{"timestamp": 9000, "input_length": 30, "output_length": 4}')
    assert np.diff(trace.requests.prefix_start).tolist() == [3, 3, 0]


def test_bad_rows_are_counted_beyond_the_first_twenty(tmp_path: Path) -> None:
    text = AZURE + "\r\nx,1,1" * 50
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert "trace.csv:53: the last of 30 more such rows" in str(caught.value)
    assert read(tmp_path, text, skip=True).report.skipped == 50


def test_a_packed_trace_and_one_that_is_cut_off(tmp_path: Path) -> None:
    packed = tmp_path / "trace.csv.gz"
    packed.write_bytes(gzip.compress(AZURE.encode()))
    assert len(read_trace(packed).requests) == 2
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(InputError, match="ends too early"):
        read_trace(packed)
    with pytest.raises(InputError, match="no such file"):
        read_trace(tmp_path / "nowhere.csv")


def replay(trace: Trace, **changes: object) -> Replay:
    settings: dict[str, object] = {
        "rate_scale": 1.0, "prompt_scale": 1.0, "output_scale": 1.0, "repeat": False, "offset_ns": 0, "until_ns": None,
        "limit": None,
    }  # fmt: skip
    return Replay(trace=trace, **{**settings, **changes})  # type: ignore[arg-type]


def test_replay_scales_and_repeats(tmp_path: Path) -> None:
    trace = read(tmp_path, MOONCAKE)
    fast = next(replay(trace, rate_scale=2.0, output_scale=0.01).chunks())
    assert fast.arrival_ns.tolist() == [0, 1_500_000_000]
    assert fast.output_tokens.tolist() == [1, 1]
    assert replay(trace).longest_sequence() == 1030 + 5
    assert replay(trace, prompt_scale=2.0).longest_sequence() == 2060 + 5
    assert replay(trace, prompt_scale=2.0).block_tokens == 0  # other prompts than those that were hashed
    laps = list(replay(trace, repeat=True, until_ns=10 * NS_PER_S).chunks())
    times = np.concatenate([lap.arrival_ns for lap in laps])
    assert times.tolist() == [0, 3 * NS_PER_S, 6 * NS_PER_S, 9 * NS_PER_S]  # a lap lasts one mean gap longer
    assert not set(laps[0].prefix_hashes.tolist()) & set(laps[1].prefix_hashes.tolist())


def test_servegen(tmp_path: Path) -> None:
    windows, lengths = tmp_path / "chunk.csv", tmp_path / "dataset.json"
    windows.write_text("0,5.0,2.0,Gamma,0.25,0.8\n600,0,,,,\n1200,20.0,0.5,Weibull,2.1,0.05\n")
    lengths.write_text(
        json.dumps({"0": {"input_tokens": "{10: 0.5, 30: 0.5}", "output_tokens": "{7: 1.0}"},
                    "1200": {"input_tokens": "{99: 1}", "output_tokens": "{1: 1.0, 0: 5}"}})
    )  # fmt: skip
    gaps, prompts, outputs = (partial(np.random.default_rng, i) for i in range(3))
    client = Client(read_windows(windows), read_lengths(lengths), 1.0, None, gaps, prompts, outputs)
    parts = list(client.chunks())
    assert len(parts) == 2
    first, last = parts
    # gaps of CV 2 over 600 s at 5/s: the count has a variance of about 4 times its mean
    assert len(first) == pytest.approx(3000, abs=4 * np.sqrt(4 * 3000))
    assert set(np.unique(first.prompt_tokens)) == {10, 30}
    assert set(last.prompt_tokens.tolist()) == {99}
    assert set(last.output_tokens.tolist()) == {1}  # a length of 0 is none
    assert first.arrival_ns[-1] < 600 * NS_PER_S <= 1200 * NS_PER_S <= last.arrival_ns[0]
    windows.write_text("0,5.0,2.0,Gauss,0.25,0.8\n")
    with pytest.raises(InputError, match="neither Gamma nor Weibull"):
        read_windows(windows)
    lengths.write_text('{"0": {"input_tokens": "open(1)", "output_tokens": "{}"}}')
    with pytest.raises(InputError, match="needs input_tokens"):
        read_lengths(lengths)


@pytest.mark.shared_data
def test_the_real_traces(shared_data: Path) -> None:
    azure = read_trace(shared_data / "requests" / "azure_llm_2023_conv.csv.gz")
    assert len(azure.requests) == 19_366
    mooncake = read_trace(shared_data / "requests" / "mooncake_conversation.jsonl.gz")
    assert len(mooncake.requests) == 12_031
    assert mooncake.block_tokens == 512


@pytest.mark.parametrize(
    "columns", ["TIMESTAMP,ContextTokens,GeneratedTokens", "timestamp_utc,prompt_tokens,output_tokens"]
)
@pytest.mark.parametrize("zoned", [True, False])
def test_times_of_which_only_some_have_an_offset_are_refused(tmp_path: Path, columns: str, zoned: bool) -> None:
    path = tmp_path / "trace.csv"

    def written(*offsets: str) -> None:
        rows = (f"2025-03-03T12:00:0{i}{offset},5,5" for i, offset in enumerate(offsets))
        path.write_text("\n".join([columns, *rows, ""]))

    written(*(("+01:00", "") if zoned else ("", "Z")))
    with pytest.raises(InputError) as refused:
        read_trace(path)
    assert f"trace.csv:3: a time with{'out' if zoned else ''} an offset from UTC" in str(refused.value)
    assert "write one at all or at none" in str(refused.value)
    written("Z", "+01:00")  # offsets may differ
    assert read_trace(path).requests.arrival_ns[-1] == 3_599 * 10**9


@pytest.mark.parametrize(
    ("header", "time", "says"),
    [
        (
            "timestamp_utc,prompt_tokens,output_tokens",
            "1750008042091",
            "if it is milliseconds since 1970, write 2025-06-15T17:20:42.091Z",
        ),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens",
            "1750008042",
            "if it is seconds since 1970, write 2025-06-15T17:20:42.000Z",
        ),
        ("timestamp_utc,prompt_tokens,output_tokens", "99999999999999999999", "is a count, and an ISO time is wanted"),
        (
            "timestamp_utc,prompt_tokens,output_tokens",
            "noon",
            "a time that cannot be read: 'noon'; write it as 2026-01-05T09:30:00Z",
        ),
        (
            "Timestamp,Request tokens,Response tokens",
            "1750008042091",
            "after 2116; it may be a count in a smaller unit",
        ),
    ],
)
def test_a_count_where_another_time_is_wanted_is_told_how_to_be_written(
    tmp_path: Path, header: str, time: str, says: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, f"{header}\n{time},10,20\n")
    assert says in str(caught.value)
