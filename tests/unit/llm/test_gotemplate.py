"""Go's text/template as Ollama uses it; the expected texts were recorded from Ollama's own code (0.33, Go 1.26)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.llm.gotemplate import api
from dispatcher.llm.gotemplate.template import Template, Turn
from dispatcher.llm.gotemplate.values import Slice
from dispatcher.llm.unrenderable import Unrenderable
from tests.property.world import examples

DAY = date(2026, 3, 1)
CALL = {"id": "c1", "function": {"name": "read", "arguments": {"path": "<a>", "n": 1000000, "f": 2.5, "x": None}}}
CHAT: tuple[dict[str, Any], ...] = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": 'Say "é"'},
    {"role": "assistant", "content": "", "tool_calls": [CALL], "thinking": "hm"},
    {"role": "tool", "content": "{1}", "tool_name": "read"},
    {"role": "user", "content": "go on"},
)
TOOL = {
    "type": "function",
    "function": {
        "name": "read",
        "description": "Reads <files>",
        "parameters": {
            "type": "object",
            "required": ["path"],
            "properties": {
                "path": {"type": "string", "description": "where & how", "title": "dropped"},
                "n": {"type": ["integer", "null"], "enum": [1, 2.5]},
                "in": {"type": "object", "properties": {"z": {"type": "string"}, "a": {"anyOf": [{"type": "array"}]}}},
            },
        },
    },
}


def render(template: str, chat: tuple[dict[str, Any], ...] = CHAT, tools: tuple[dict[str, Any], ...] = (TOOL,)) -> str:
    messages = Slice(tuple(api.message(message, message["content"]) for message in chat))
    thinking: Mapping[str, Any] = {"Think": True, "ThinkLevel": "high", "IsThinkSet": True}
    turns = [Turn(message["role"], message["content"]) for message in chat]
    return Template(template).render(turns, {"Messages": messages, "Tools": api.tools(tools)}, thinking, DAY)


GOLDEN: dict[str, str] = {
    "{{ range $i, $m := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}<|im_start|>{{ .Role }}\n{{ .Content }}{{ if not $last }}<|im_end|>\n{{ end }}{{ end }}<|im_end|>\n<|im_start|>assistant\n": '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nSay "é"<|im_end|>\n<|im_start|>assistant\n<|im_end|>\n<|im_start|>tool\n{1}<|im_end|>\n<|im_start|>user\ngo on<|im_end|>\n<|im_start|>assistant\n',
    '{{- range .Messages }}\n  {{- if eq .Role "user" }} [INST] {{ with $.System }}{{ . }}\n{{ end }}{{ .Content -}} [/INST]\n  {{- else if and (eq .Role "assistant") .ToolCalls }}[TOOL_CALLS] [{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}{{ end }}]</s>\n  {{- else }}-{{ end }}\n{{- end }}': '- [INST] Be brief.\nSay "é"[/INST][TOOL_CALLS] [{"name": "read", "arguments": {"f":2.5,"n":1000000,"path":"\\u003ca\\u003e","x":null}}]</s>- [INST] Be brief.\ngo on[/INST]',
    "{{ .Tools }}{{ .Messages | len }}": '[{"type":"function","function":{"name":"read","description":"Reads \\u003cfiles\\u003e","parameters":{"type":"object","required":["path"],"properties":{"in":{"type":"object","properties":{"z":{"type":"string"},"a":{"anyOf":[{"type":"array"}]}}},"n":{"type":["integer","null"],"enum":[1,2.5]},"path":{"type":"string","description":"where \\u0026 how"}}}}}]5',
    "{{ range .Tools }}{{ .Function }}|{{ json .Function.Parameters.Properties }}{{ . }}{{ end }}{{ len .Messages }}": '{read Reads <files> {object <nil> <nil> [path] {"in":{"type":"object","properties":{"z":{"type":"string"},"a":{"anyOf":[{"type":"array"}]}}},"n":{"type":["integer","null"],"enum":[1,2.5]},"path":{"type":"string","description":"where \\u0026 how"}}}}|{"in":{"type":"object","properties":{"z":{"type":"string"},"a":{"anyOf":[{"type":"array"}]}}},"n":{"type":["integer","null"],"enum":[1,2.5]},"path":{"type":"string","description":"where \\u0026 how"}}{"type":"function","function":{"name":"read","description":"Reads \\u003cfiles\\u003e","parameters":{"type":"object","required":["path"],"properties":{"in":{"type":"object","properties":{"z":{"type":"string"},"a":{"anyOf":[{"type":"array"}]}}},"n":{"type":["integer","null"],"enum":[1,2.5]},"path":{"type":"string","description":"where \\u0026 how"}}}}}5',
    "{{ range .Tools }}{{ range $n, $p := .Function.Parameters.Properties }}{{ $n }}: {{ toTypeScriptType $p }} {{ $p.Type }} {{ $p.Enum }} {{ json $p.Enum }};{{ end }}{{ end }}{{ len .Messages }}": "in: Record<string, any> object [] null;n: number | null [integer null] [1 2.5] [1,2.5];path: string string [] null;5",
    "{{ range .Messages }}{{ . }}{{ json . }}{{ range .ToolCalls }}{{ range $k, $v := .Function.Arguments }}{{ $k }}={{ $v }},{{ end }}{{ end }}{{ end }}": '{system Be brief.  [] []  }{"Role":"system","Content":"Be brief.","Thinking":"","Images":null,"ToolCalls":null,"ToolName":"","ToolCallID":""}{user Say "é"  [] []  }{"Role":"user","Content":"Say \\"é\\"","Thinking":"","Images":null,"ToolCalls":null,"ToolName":"","ToolCallID":""}{assistant  hm [] [{c1 {0 read {"f":2.5,"n":1000000,"path":"\\u003ca\\u003e","x":null}}}]  }{"Role":"assistant","Content":"","Thinking":"hm","Images":null,"ToolCalls":[{"ID":"c1","Function":{"Index":0,"Name":"read","Arguments":{"f":2.5,"n":1000000,"path":"\\u003ca\\u003e","x":null}}}],"ToolName":"","ToolCallID":""}f=2.5,n=1e+06,path=<a>,x=<no value>,{tool {1}  [] [] read }{"Role":"tool","Content":"{1}","Thinking":"","Images":null,"ToolCalls":null,"ToolName":"read","ToolCallID":""}{user go on  [] []  }{"Role":"user","Content":"go on","Thinking":"","Images":null,"ToolCalls":null,"ToolName":"","ToolCallID":""}',
    '{{ .Nothing }} {{ json .Nothing }} {{ print .Nothing 1 2 "a" 3 nil }} {{ .Messages | len | printf "%d-%s-%v" 7 "x" }}': "<no value> null <nil> 1 2a3 <nil> 7-x-5",
    "{{ $n := 0 }}{{ range $i, $m := .Messages }}{{ if eq $i 1 }}{{ continue }}{{ end }}{{ if ge $i 4 }}{{ break }}{{ end }}{{ $n = $i }}{{ len $m.Content }},{{ else }}none{{ end }}{{ $n }}": "9,0,3,3",
    '{{ or nil "" 0 }}|{{ and 1 "x" .Foo }}|{{ not .Foo }}|{{ eq .System "a" "Be brief." }}|{{ ne 1 2 }}|{{ lt "a" "b" }}|{{ gt 2.5 1.5 }}|{{ eq .Foo nil }}|{{ index .Messages 1 | json }}|{{ (index .Messages 0).Content }}': '0|<no value>|true|true|true|true|true|true|{"Role":"user","Content":"Say \\"é\\"","Thinking":"","Images":null,"ToolCalls":null,"ToolName":"","ToolCallID":""}|Be brief.',
    '{{/* c */}} a {{- /* d */ -}} b {{ "q\\t\\u00e9\\x41" }}{{ `r\\n` }}{{ \'x\' }}{{ 0x1F }}{{ 1_000 }}{{ 1e6 }}{{ 123456.75 }}{{ -0.00001 }}{{ len .Messages }}': " ab q\téAr\\n1203110001e+06123456.75-1e-055",
    '{{ define "t" }}[{{ . }}{{ $ }}]{{ end }}{{ template "t" .System }}{{ block "u" .Think }}({{ . }}){{ end }}{{ with $x := .ThinkLevel }}{{ $x }}{{ end }}{{ with .Foo }}a{{ else with .System }}{{ . }}{{ else }}b{{ end }}{{ len .Messages }}': "[Be brief.Be brief.](true)highBe brief.5",
    "{{ range 3 }}{{ . }}{{ end }}{{ range $i := 2 }}{{ $i }}{{ end }}{{ range .Foo }}x{{ else }}empty{{ end }}{{ range .Messages }}{{ range .Images }}i{{ else }}{{ break }}{{ end }}.{{ end }}": "01201empty.....",
    "{{ if .System }}<s>{{ .System }}</s>{{ end }}{{ if .Prompt }}<u>{{ .Prompt }}</u>{{ end }}<a>{{ .Response }}</a>": "<s>Be brief.</s><u>go on</u><a>",
    "{{ if .System }}### {{ .System }}\n{{ end }}{{ .Prompt }}\n>": "### Be brief.\ngo on\n>",
    "{{ .Prompt }} {{ .Foo.Bar }} {{ $.Response }}!": "go on <no value> !",
    "{{ with .Prompt }}Q: {{ . }} {{ end }}{{ if true }}A: {{ print (print .Response) .Prompt }} tail{{ end }} end": "Q: go on A: ",
}  # fmt: skip


@pytest.mark.parametrize("template", GOLDEN)
def test_a_template_writes_what_go_writes(template: str) -> None:
    assert render(template) == GOLDEN[template]


@pytest.mark.parametrize(
    "template",
    [
        "{{", "{{ .Messages", "{{ if .Messages }}", "{{ end }}", "{{ else }}", "{{ .Messages | 3 }}", "{{ break }}",
        "{{ $x }}", "{{ .Messages.Foo }}", "{{ .Foo.Bar }}{{ .Messages }}", "{{ nosuch .Messages }}", '{{ "a\nb" }}',
        "{{ eq 1 1.0 }}{{ .Messages }}", "{{ len 3 }}", "{{ index .Messages 9 }}", '{{ template "x" .Messages }}',
        '{{ template "x" }}{{ define "x" }}{{ end }}', '{{ range "abc" }}{{ end }}', "{{ 0x }}", "{{ .Messages }}",
        '{{ with .Messages }}{{ . | printf "%q" }}{{ end }}', "{{/* no end", "{{ (.Messages }}", "{{ lt true false }}",
        "{{ slice .System 0 99 }}{{ .Messages }}", "{{ html .System }}", "{{ 1i }}", "{{ .System 1 }}{{ .Messages }}",
        '{{ define "a" }}x{{ end }}{{ define "a" }}y{{ end }}', "{{ $x := 1 }}{{ .x.y }}{{ $x.Foo }}{{ .Messages }}",
        "{{ if .Response }}{{ .Response }}{{ else }}{{ end }}", "{{ '' }}", '{{ "\\q" }}', "{{ $x, $y := .Messages }}",
    ],
)  # fmt: skip
def test_what_go_refuses_or_is_not_known_is_unrenderable(template: str) -> None:
    with pytest.raises(Unrenderable, match="cannot be rendered here"):
        render(template)


@pytest.mark.parametrize(
    "template",
    [
        "{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}{{ .Messages }}",
        '{{ define "x" }}{{ template "x" . }}{{ template "x" . }}{{ end }}{{ template "x" .Messages }}',
        '{{ $x := "abc" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}{{ .Messages }}',
        '{{ $x := "abcdefghij" }}{{ range 18 }}{{ $x = print $x $x }}{{ end }}{{ range 1000 }}{{ $x }}{{ end }}',
        "{{ if .Messages }}" * 5000,
        "{{ " + "(" * 5000,
        "{{ print" + " .Messages" * 5000 + "}}",
    ],
)
def test_a_template_that_wants_too_much_is_stopped(template: str) -> None:
    started = time.monotonic()
    with pytest.raises(Unrenderable):
        render(template)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "change",
    [
        {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}, {"tool_calls": ["x"]}, {"tool_calls": 3},
        {"tool_calls": [{"function": {"name": 3}}]}, {"tool_calls": [{"function": {"name": "f", "index": 1.5}}]},
        {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 10**400}}}]}, {"thinking": ["x"]},
        {"tool_calls": [{"function": {"name": "f", "arguments": {"a": float("nan")}}}]},
        {"tool_calls": [{"function": {"name": "f", "arguments": {"a": object()}}}]},
    ],
)  # fmt: skip
def test_a_message_that_a_server_would_not_take_is_unrenderable(change: dict[str, Any]) -> None:
    with pytest.raises(Unrenderable):
        render("{{ .Messages | len }}", ({"role": "user", "content": "x"} | change,))


PIECES = st.sampled_from(
    [
        "{{", "}}", "{{- ", " -}}", "if", "else", "end", "range", "with", "define", "block", "template", "break", " ", "\n",
        "continue", ".", "$", "$x", ":=", "=", ",", "|", "(", ")", ".Messages", ".System", ".Response", ".Prompt", ".Tools",
        "eq", "and", "or", "not", "len", "index", "slice", "print", "printf", "json", '"a"', "`b`", "'c'", "1", "-2", "1.5",
        "nil", "true", "{{ end }}", "{{ range .Messages }}", "{{ .Content }}", "{{ if .System }}", "{{ else }}", "{{/*", "*/}}",
        "\\", '"', "é", "\x00", "\ud800", "0x", "_", "{{ . }}", "{{ $x := .System }}", "%s", "-", "+",
    ],
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=60))
@examples(150)
def test_any_text_renders_or_is_unrenderable(template: str) -> None:
    with suppress(Unrenderable):
        assert isinstance(render(template), str)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)))  # fmt: skip
@examples(50)
def test_any_argument_renders_as_json_that_says_the_same_or_is_unrenderable(value: object) -> None:

    chat = (
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"v": value}}}]},
    )
    try:
        text = render("{{ range .Messages }}{{ range .ToolCalls }}{{ .Function.Arguments }}{{ end }}{{ end }}", chat)
    except Unrenderable:
        return
    assert json.loads(text, parse_int=float) == {"v": _as_go_reads(value)}


def _as_go_reads(value: object) -> object:
    if isinstance(value, dict):
        return {str(_as_go_reads(key)): _as_go_reads(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_go_reads(each) for each in value]
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
