"""`lockstep import` as people use it, and docs/import.md: its commands run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lockstep.harness import cli
from lockstep.harness.commands import memory
from lockstep.harness.host import memory as host_memory
from lockstep.harness.scenario.load import load

ROOT = Path(__file__).parents[2]
LOCKSTEP = str(Path(sys.executable).parent / "lockstep")
PAGE = (ROOT / "docs" / "import.md").read_text()


def block(name: str) -> str:
    """A marked block of the page."""
    found = re.search(rf"<!-- {re.escape(name)} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    code = cli.main(words)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err


@pytest.mark.timeout(240)
def test_commands_of_the_page(tmp_path: Path) -> None:
    """Every block of commands runs with exit code 0 beside the page's config; the imported server is launched."""
    (tmp_path / "serve.yaml").write_text(block("serve.yaml"))
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    blocks = re.findall(r"^```sh\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    for commands in blocks:
        done = subprocess.run(
            ["sh", "-e", "-c", commands], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, f"{commands}: {done.stderr}"
    scenario = (tmp_path / "ours.yaml").read_text()
    assert "# left out: print_iter_log: " in scenario
    (case,) = load(tmp_path / "ours.yaml")
    assert case.ranks == 4
    assert case.spec["kv_capacity"]["per_rank"] == [96] * 4


def test_options_are_on_the_page() -> None:
    """Every option of the command."""
    options = re.findall(r'"(--[a-z-]+)"', (ROOT / "harness" / "commands" / "import_config.py").read_text())
    assert len(options) >= 7
    assert not {name for name in options if f"`{name}" not in PAGE and f"{name} " not in PAGE}


@pytest.mark.timeout(240)
def test_scenario_of_the_page(tmp_path: Path) -> None:
    """The scenario of the page has its two cases, with the config's ranks and its own capacity; both end as it expects."""
    (tmp_path / "serve.yaml").write_text(block("serve.yaml"))
    (tmp_path / "scenario.yaml").write_text(block("scenario"))
    cases = load(tmp_path / "scenario.yaml")
    assert [case.ranks for case in cases] == [4, 4]
    assert cases[0].spec["kv_capacity"]["per_rank"] == [96, 96, 96, 12]
    words = ["run", str(tmp_path / "scenario.yaml"), "--device", "cpu", "--reports", str(tmp_path / "reports")]
    done = subprocess.run([LOCKSTEP, *words], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr


def test_an_imported_scenario_says_the_same_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What import writes loads to the same ranks as `config_file` of the same config; list and show take it."""
    config = tmp_path / "serve.yaml"
    config.write_text(block("serve.yaml"))
    output = tmp_path / "imported.yaml"
    assert run(["import", str(config), "--set", "kv_capacity.blocks=7", "-o", str(output)], capsys)[0] == 0
    (tmp_path / "named.yaml").write_text(
        "name: named\nsource: here\nsummary: s\nconfig_file: serve.yaml\n"
        "kv_capacity: {blocks: 7}\nexpect: [{outcome: success}]\n"
    )
    (written,), (named,) = load(output), load(tmp_path / "named.yaml")
    assert written.spec == named.spec
    assert run(["list", str(output)], capsys)[0] == 0
    code, shown, _ = run(["show", str(tmp_path / "named.yaml")], capsys)
    assert code == 0
    assert "  blocks: 7 on each rank; a block is 16 tokens" in shown
    assert "  left out: print_iter_log: " in shown
    assert "  parallel: {tp: 4, attention_dp: true, ep: 4}" in shown
    code, printed, _ = run(["import", str(config), "--set", "kv_capacity.blocks=7"], capsys)
    assert code == 0
    assert yaml.safe_load(printed) == yaml.safe_load(output.read_text())
    code, _, said = run(["import", str(config), "--set", "kv_capacity.blocks=7", "-o", str(output)], capsys)
    assert code == 2
    assert f"--output {output}: there is such a file; remove it, or give another name" in said


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing names the option that gives it; what is wrong its place; exit code 2, nothing on stdout."""
    config = tmp_path / "extra.yaml"
    config.write_text("max_batch_size: 8\n")

    def refused(*words: str) -> str:
        code, out, said = run(["import", *words], capsys)
        assert (code, out) == (2, "")
        return said

    missing = refused(str(config))
    assert f"{config}: parallel.tp: is missing: " in missing
    assert "give --set parallel.tp=4, with your number" in missing
    assert "give --set kv_capacity.blocks=96, with your number, or one for each rank: [96, ...]" in missing
    given = ["--set", "parallel.tp=16", "--set", "kv_capacity.blocks=8"]
    assert "--set parallel.tp: the model's 8 attention heads cannot be dealt to 16 ranks" in refused(str(config), *given)
    assert "config.max_batch_sizes: unknown key; did you mean max_batch_size?" in refused(
        str(config), "--set", "parallel.tp=2", "--set", "kv_capacity.blocks=8", "--set", "config.max_batch_sizes=4"
    )
    assert "cannot be read" in refused(str(tmp_path / "none.yaml"))
    config.write_text("- a\n")
    assert "an engine's config is a mapping of keys; give a YAML or JSON file" in refused(str(config))
    config.write_text("1: 2\n")
    assert "its keys are names" in refused(str(config))
    assert "--scale 0: give a whole number from 1 on" in refused(str(config), "--scale", "0")
    assert "takes no config of another program" in refused(str(config), "--engine", "command")
    assert "--max-num-sqes: no key of vLLM" in refused("--", "vllm", "serve", "M", "--max-num-sqes", "8")


def test_a_secret_stays_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A command line is named as its source without the values of options that seem to hold secrets."""
    line = "vllm serve M --api-key 12345 --tensor-parallel-size 2"
    code, out, said = run(["import", "--set", "kv_capacity.blocks=8", "--", *line.split()], capsys)
    assert code == 0
    assert "12345" not in out + said
    assert yaml.safe_load(out)["name"] == "vllm"


@pytest.mark.parametrize("line", ["python3 -m sglang.launch_server --model-path M", "env A=b sglang serve --model-path M"])
def test_a_scenario_is_called_as_the_server(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Not as what starts it."""
    code, out, _ = run(["import", "--set", "kv_capacity.blocks=8", "--", *line.split()], capsys)
    assert code == 0
    assert yaml.safe_load(out)["name"] == "sglang"
    assert "A block has 1 token, so" in " ".join(out.split())


def test_an_option_and_a_file_that_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The option wins, under an old name too, and `--set` of trtllm-serve over both; what the file said is told."""
    config = tmp_path / "f.yaml"
    config.write_text("tensor_parallel_size: 2\nkv_cache_config: {free_gpu_memory_fraction: 0.9, tokens_per_block: 16}\n")
    line = f"trtllm-serve M --set kv_cache_config.tokens_per_block=64 --tp_size 4 --config {config} "
    line += "--kv_cache_free_gpu_memory_fraction 0.5 --set=max_seq_len=512"
    code, out, said = run(["import", "--scale", "1", "--set", "kv_capacity.blocks=8", "--", *line.split()], capsys)
    assert code == 0, said
    found = yaml.safe_load(out)
    assert found["parallel"]["tp"] == 4
    assert found["config"]["kv_cache_config"]["free_gpu_memory_fraction"] == 0.5
    assert found["config"]["kv_cache_config"]["tokens_per_block"] == 64
    assert found["config"]["max_seq_len"] == 512
    assert f"taken: --tp_size: 4, not 2 as in {config}: the option wins, since NVIDIA/TensorRT-LLM#14812" in said
    assert f"taken: --kv_cache_free_gpu_memory_fraction: 0.5, not 0.9 as in {config}: " in said


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("trtllm-serve M --tp_size 2", "the preset trtllm-main stands for them; --set guards.preset=NAME"),
        ("vllm serve M -tp 2", "which is TensorRT-LLM's; vLLM has none of its own here"),
        ("sglang serve --model-path M --tp 2", "which is TensorRT-LLM's; SGLang has none of its own here"),
    ],
)
def test_the_preset_is_said(line: str, wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What ranks do where they differ stands in no config: the scenario says what is taken for it."""
    code, out, said = run(["import", "--set", "kv_capacity.blocks=8", "--", *line.split()], capsys)
    assert code == 0
    assert wanted in said
    assert wanted in out


def test_a_machine_with_too_little_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool that this machine has no room for is told by `import` and `show`, with place, figures and what to do; one that
    fits is not."""
    monkeypatch.setattr(memory, "available_bytes", lambda: 2 << 30)
    config = tmp_path / "serve.yaml"
    config.write_text(block("serve.yaml"))
    for blocks, short in ((96, False), (1_000_000, True)):
        output = tmp_path / f"{blocks}.yaml"
        given = ["--set", f"kv_capacity.blocks={blocks}", "--scale", "1"]
        for words, place in ((["import", str(config), *given, "-o", str(output)], config), (["show", str(output)], output)):
            code, _, said = run(words, capsys)
            assert code == 0
            assert (
                f"{place}: " in said and "its 4 ranks take at least 122." in said and "2.0 GiB are free" in said
            ) == short
            assert ("(--set kv_capacity.blocks=N)" in said) == short


def test_memory_of_a_control_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a container may take is what its group has left, where that is less than the machine has."""
    monkeypatch.setattr(host_memory, "CGROUPS", ((str(tmp_path / "max"), str(tmp_path / "now")), ("none", "none")))
    (tmp_path / "now").write_text("4096\n")
    (tmp_path / "max").write_text("max\n")
    assert host_memory.available_bytes() > 8192
    (tmp_path / "max").write_text("12288\n")
    assert host_memory.available_bytes() == 8192


def test_keys_that_do_not_tell_whose_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside `--from` every key that is nearly a known one is told at once, with its place and whose that is."""
    config = tmp_path / "trt.yaml"
    config.write_text("max_batch_sizes: 8\nquuxfrob: 1\nkv_cache_confg: {}\n")
    code, out, said = run(["import", str(config)], capsys)
    assert (code, out) == (2, "")
    assert "its keys do not tell whose config this is; give --from trtllm, vllm or sglang" in said
    assert f"{config}:1:1: max_batch_sizes: no engine has this key; did you mean max_batch_size (TensorRT-LLM)" in said
    assert f"{config}:3:1: kv_cache_confg: no engine has this key; did you mean kv_cache_config (TensorRT-LLM)" in said
    assert "quuxfrob" not in said
