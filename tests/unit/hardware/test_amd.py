"""AMD's GPUs: what each generation of tools prints, and which source is used when."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.hardware import amd, amd_smi, amdgpu, pools, rocm_smi
from dispatcher.hardware.device import ProcessUse
from dispatcher.hardware.pools import Pool
from tests.unit.hardware.machines import GIB, captured, card, printing, tool, tree

MIB = 1 << 20


# amd-smi


def test_amd_smi_of_rocm_5() -> None:
    (device,) = amd_smi.devices(captured("amd-smi-5.7-metric"), captured("amd-smi-5.7-static")).devices
    assert (device.total, device.used, device.free) == (16368 * MIB, 660 * MIB, 15708 * MIB)
    assert (device.name, device.driver, device.pci) == ("0x73bf", "6.2.4", "0000:03:00.0")


def test_amd_smi_of_rocm_6() -> None:
    """A discrete card of 8 GB whose GTT is eight times as large: that is the host's memory, and not for models."""
    (device,) = amd_smi.devices(captured("amd-smi-6-metric"), captured("amd-smi-6-static")).devices
    assert (device.total, device.used, device.free) == (8176 * MIB, 202 * MIB, 7974 * MIB)
    assert not device.unified
    assert device.name.startswith("Navi 23")
    assert device.driver == "7.0.0-3-pve"
    assert device.processes is None


def test_amd_smi_of_rocm_7() -> None:
    (device,) = amd_smi.devices(captured("amd-smi-7-metric"), b"", captured("amd-smi-7-process")).devices
    assert (device.key, device.total, device.used) == ("amd:0", 196288 * MIB, 2531 * MIB)
    assert device.processes == (ProcessUse(28389, "llama-server", 2353860608),)
    assert device.name == "AMD GPU"


def test_warnings_before_the_document_and_gpus_that_tell_nothing() -> None:
    reading = amd_smi.devices(captured("amd-smi-7.2-metric"), captured("amd-smi-7.2-static"))
    (device,) = reading.devices
    assert (device.index, device.name, device.free) == (0, "AMD Radeon AI PRO R9700", 10126 * MIB)
    assert reading.warnings == ("amd-smi tells no memory of GPU 1",)


def test_what_a_process_holds_of_all_gpus_is_not_told_as_what_it_holds_of_each() -> None:
    (device,) = amd_smi.devices(captured("amd-smi-7.2-metric"), b"", captured("amd-smi-7.2-process")).devices
    assert device.processes == (ProcessUse(1883505, "python3.12", None),)


def test_nobody_uses_a_gpu() -> None:
    (device,) = amd_smi.devices(captured("amd-smi-7-metric"), b"", captured("amd-smi-none-running")).devices
    assert device.processes == ()


def test_an_apu_is_told_by_what_it_lends_from_the_host() -> None:
    metric = captured("amd-smi-7.1-apu-metric")
    process = b'[{"gpu": 0, "process_list": [{"process_info": {"pid": 5, "name": "x", "memory_usage": {"gtt_mem": {"value": 700, "unit": "B"}, "vram_mem": {"value": 30, "unit": "B"}}}}]}]'  # fmt: skip
    (device,) = amd_smi.devices(metric, b"", process).devices
    assert device.unified
    assert (device.total, device.used, device.free) == (13649 * MIB, 964 * MIB, 12685 * MIB)
    assert device.processes == (ProcessUse(5, "x", 730),)


def test_a_larger_carve_out_is_known_to_be_an_apus_by_its_type_or_its_address() -> None:
    metric = b'{"gpu_data": [{"gpu": 0, "mem_usage": {"total_vram": {"value": 8192, "unit": "MB"}, "used_vram": {"value": 1, "unit": "MB"}, "total_gtt": {"value": 126976, "unit": "MB"}, "used_gtt": {"value": 0, "unit": "MB"}}}]}'  # fmt: skip
    ddr = b'{"gpu_data": [{"gpu": 0, "vram": {"type": "LPDDR5"}, "bus": {"bdf": "0000:C3:00.0"}}]}'
    unknown = ddr.replace(b"LPDDR5", b"UNKNOWN")
    graphics = ddr.replace(b"LPDDR5", b"GDDR6")
    assert [d.unified for d in amd_smi.devices(metric, ddr).devices] == [True]
    assert [d.unified for d in amd_smi.devices(metric, unknown).devices] == [False]
    assert [d.unified for d in amd_smi.devices(metric, unknown, b"", ["0000:c3:00.0"]).devices] == [True]
    assert [d.unified for d in amd_smi.devices(metric, graphics, b"", ["0000:c3:00.0"]).devices] == [False]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"Traceback (most recent call last):\n  KeyError: 0\n",
        captured("amd-smi-6-metric")[:300],
        b"[]",
        b"{}",
        b"[1, null, {}]",
        b'{"gpu_data": "N/A"}',
        b'[{"gpu": "0", "mem_usage": {"total_vram": "16368 MB", "used_vram": "1 MB"}}]',
        b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
    ids=lambda broken: repr(broken[:20]),
)
def test_what_is_broken_is_no_gpu(broken: bytes) -> None:
    assert amd_smi.devices(broken, broken, broken).devices == ()
    assert rocm_smi.devices(broken).devices == ()


@pytest.mark.parametrize(
    "use",
    [
        b'{"total_vram": "16368 MB", "used_vram": "1024 MB"}',
        b'{"total_vram": {"value": "16368", "unit": "MB"}, "used_vram": {"value": 1, "unit": "GB"}}',
        b'{"total_vram": 16368.0, "used_vram": 1024}',
        b'{"total_vram": "16368", "used_vram": "1048576 KiB"}',
    ],
)
def test_sizes_come_in_many_forms(use: bytes) -> None:
    (device,) = amd_smi.devices(b'[{"gpu": 0, "mem_usage": ' + use + b"}]").devices
    assert (device.total, device.used) == (16368 * MIB, 1024 * MIB)


@pytest.mark.parametrize("mem_usage", [b'"N/A"', b'{"total_vram": "N/A"}', b'{"total_vram": {"value": "N/A", "unit": "MB"}, "used_vram": 1}', b"null", b'{"total_vram": 5}', b'{"total_vram": -5, "used_vram": 1}', b'{"total_vram": NaN, "used_vram": 1}', b'{"total_vram": 0, "used_vram": 0}'])  # fmt: skip
def test_sizes_that_are_none_are_told(mem_usage: bytes) -> None:
    reading = amd_smi.devices(b'[{"gpu": 3, "mem_usage": ' + mem_usage + b"}]")
    assert (reading.devices, reading.warnings) == ((), ("amd-smi tells no memory of GPU 3",))


# rocm-smi


def test_rocm_smi_of_rocm_5_with_an_igpu() -> None:
    first, second = rocm_smi.devices(captured("rocm-smi-5")).devices
    assert (first.name, first.total, first.used) == (
        "Navi 21 [Radeon RX 6800/6800 XT / 6900 XT]",
        17163091968,
        692142080,
    )
    assert (second.name, second.total, second.unified) == ("Raphael", 16582479872, True)
    assert first.processes is None


def test_rocm_smi_of_rocm_6() -> None:
    (device,) = rocm_smi.devices(captured("rocm-smi-6")).devices
    assert (device.name, device.free) == ("Radeon RX 7900 XT", 21458059264 - 27856896)
    assert (device.driver, device.pci) == ("6.8.5", "0000:0b:00.0")
    assert device.processes == ()


def test_rocm_smi_of_rocm_7() -> None:
    (device,) = rocm_smi.devices(captured("rocm-smi-7")).devices
    assert device.total == 205822885888
    assert device.processes == (ProcessUse(28389, "llama-server", 2353860608),)


def test_a_strix_halo() -> None:
    (device,) = rocm_smi.devices(captured("rocm-smi-apu")).devices
    assert device.unified
    assert device.free == 133143986176 - 67645734912


def test_cards_come_in_the_order_of_their_numbers() -> None:
    sizes = '{"VRAM Total Memory (B)": "8589934592", "VRAM Total Used Memory (B)": "0"}'
    many = ", ".join(f'"card{n}": {sizes}' for n in (10, 2, 0)) + ', "card3": {"VRAM Total Memory (B)": "N/A"}'
    reading = rocm_smi.devices(f"{{{many}}}".encode())
    assert [device.index for device in reading.devices] == [0, 2, 10]
    assert reading.warnings == ("rocm-smi tells no memory of GPU 3",)


def test_a_process_name_may_hold_commas() -> None:
    output = b'{"card0": {"VRAM Total Memory (B)": "9000000000", "VRAM Total Used Memory (B)": "0"}, "system": {"PID7": "a, b, 1, 55, UNKNOWN, 0", "PID8": "python, 1, UNKNOWN, 0, 0", "PID9": "?"}}'  # fmt: skip
    (device,) = rocm_smi.devices(output).devices
    assert device.processes == (ProcessUse(7, "a, b", 55), ProcessUse(8, "python", None))


# /sys


def test_cards_in_sys(tmp_path: Path) -> None:
    """Two discrete cards, numbers with a gap; connectors and cards of others do not count."""
    files = card(10, (24 * GIB, GIB), (64 * GIB, 0)) | card(2, (8 * GIB, 2 * GIB), (64 * GIB, 0))
    files |= {"class/drm/card0/device/vendor": "0x8086\n", "class/drm/card2-DP-1/status": "connected\n"}
    files |= {"module/amdgpu/version": "6.8.5\n"}
    first, second = amdgpu.devices(tree(tmp_path, files))
    assert (first.index, first.free, first.pci, first.driver) == (0, 6 * GIB, "0000:02:00.0", "6.8.5")
    assert (second.index, second.free, second.name) == (1, 23 * GIB, "AMD GPU 0x744c")
    assert not first.unified


def test_an_apu_in_sys_lends_from_the_host_unless_its_carve_out_is_larger(tmp_path: Path) -> None:
    files = card(1, (8 * GIB, GIB), (120 * GIB, 20 * GIB), revision=3)
    files |= card(2, (96 * GIB, GIB), (16 * GIB, 0), revision=2)
    lent, carved = amdgpu.devices(tree(tmp_path, files))
    assert (lent.total, lent.free, lent.unified) == (120 * GIB, 100 * GIB, True)
    assert (carved.total, carved.unified) == (96 * GIB, False)
    assert amdgpu.apus(tmp_path) == {"0000:01:00.0", "0000:02:00.0"}


def test_a_card_without_figures_is_left_out(tmp_path: Path) -> None:
    files = card(0, (8 * GIB, 0), (GIB, 0))
    del files["class/drm/card0/device/mem_info_vram_used"]
    assert amdgpu.devices(tree(tmp_path, files)) == ()
    assert amdgpu.devices(tmp_path / "nowhere") == ()


def test_a_driver_that_says_more_is_used_than_there_is_leaves_nothing_free() -> None:
    assert pools.choose(Pool(5, 9), None, apu=True) == (Pool(5, 9), False)
    assert Pool(5, 9).free == 0


# Which one is asked

SEVEN = {"metric": "amd-smi-7-metric", "process": "amd-smi-7-process", "static": "amd-smi-none-running"}


def test_amd_smi_goes_before_rocm_smi_and_sys(tmp_path: Path) -> None:
    path = tool(tmp_path / "bin", "amd-smi", printing(SEVEN))
    tool(tmp_path / "bin", "rocm-smi", f"touch {tmp_path}/asked")
    reading = amd.read(tree(tmp_path / "sys", card(0, (8 * GIB, 0), (GIB, 0))), path)
    (device,) = reading.devices
    assert device.total == 196288 * MIB
    assert device.processes == (ProcessUse(28389, "llama-server", 2353860608),)
    assert reading.warnings == ()
    assert not (tmp_path / "asked").exists()


def test_rocm_smi_goes_before_sys_when_amd_smi_fails(tmp_path: Path) -> None:
    path = tool(tmp_path / "bin", "amd-smi", "echo 'Traceback: no module named amdsmi'; exit 1")
    tool(tmp_path / "bin", "rocm-smi", printing({"": "rocm-smi-6"}))
    reading = amd.read(tree(tmp_path / "sys", card(0, (8 * GIB, 0), (GIB, 0))), path)
    assert [device.name for device in reading.devices] == ["Radeon RX 7900 XT"]
    assert reading.warnings == ("amd-smi printed no GPU",)


def test_sys_is_there_when_the_tools_hang(tmp_path: Path) -> None:
    path = tool(tmp_path / "bin", "amd-smi", "exec sleep 600")
    tool(tmp_path / "bin", "rocm-smi", "sleep 600 & wait")
    reading = amd.read(tree(tmp_path / "sys", card(0, (8 * GIB, 0), (GIB, 0))), path, seconds=0.1)
    assert [device.total for device in reading.devices] == [8 * GIB]
    assert reading.warnings == ("amd-smi did not answer within 0.1 s", "rocm-smi did not answer within 0.1 s")


def test_an_answer_is_used_though_the_next_one_hangs(tmp_path: Path) -> None:
    script = printing({"metric": "amd-smi-7-metric"}).replace("esac", "  *) exec sleep 600;;\nesac")
    reading = amd.read(tmp_path, tool(tmp_path / "bin", "amd-smi", script), seconds=0.5)
    assert [device.total for device in reading.devices] == [196288 * MIB]
    assert reading.warnings == ("amd-smi did not answer within 0.5 s",)


def test_a_tool_that_cannot_be_started_is_a_warning(tmp_path: Path) -> None:
    path = tool(tmp_path / "bin", "rocm-smi", "")
    (tmp_path / "bin" / "rocm-smi").write_text("#!/nowhere/python\n")
    (warning,) = amd.read(tmp_path, path).warnings
    assert warning.startswith("rocm-smi cannot be started")


def test_a_machine_without_any_of_them(tmp_path: Path) -> None:
    reading = amd.read(tmp_path, str(tmp_path))
    assert (reading.devices, reading.warnings) == ((), ())
    assert reading.absent


def test_a_second_look_reads_sys_and_asks_no_tool(tmp_path: Path) -> None:
    sys = tree(tmp_path / "sys", card(0x0B, (21458059264, 5 * GIB), (GIB, 0)))
    path = tool(tmp_path / "bin", "rocm-smi", printing({"": "rocm-smi-6"}) + f"\necho x >> {tmp_path}/asked")
    first = amd.read(sys, path).devices
    again = amd.read(sys, path, first).devices
    assert (tmp_path / "asked").read_text() == "x\n"
    assert (again[0].name, again[0].used, again[0].processes) == ("Radeon RX 7900 XT", 5 * GIB, None)


def test_a_new_card_is_not_missed_by_a_second_look(tmp_path: Path) -> None:
    sys = tree(tmp_path / "sys", card(0x0B, (8 * GIB, 0), (GIB, 0)))
    first = amd.read(sys, str(tmp_path)).devices
    tree(sys, card(0x0C, (8 * GIB, 0), (GIB, 0)))
    assert len(amd.read(sys, str(tmp_path), first).devices) == 2
    (sys / "class/drm/card12/device/uevent").unlink()
    assert len(amd.read(sys, str(tmp_path), first).devices) == 2, "one whose address is not told"
