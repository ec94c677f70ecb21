"""Pages that were made to cost: long lines, deep nesting, layers of encoding, endless building. Inert text, generated."""

from __future__ import annotations

import base64
import codecs
import zlib
from collections.abc import Iterator

MEGABYTE = 1 << 20
Case = tuple[str, str, bytes]  # what, file name, page

# language -> (file name, text before the code, text behind it, a sink that takes `%s`)
LANGUAGES = {
    "c#": ("a.aspx", '<%@ Page Language="C#"%><script runat="server">void Page_Load(object o, System.EventArgs e){\n',
           "\n}</script>", "System.Diagnostics.Process.Start(%s);"),
    "vb": ("a.aspx", '<%@ Page Language="VB"%><script runat="server">\nSub Page_Load()\n', "\nEnd Sub\n</script>",
           "System.Diagnostics.Process.Start(%s)"),
    "jscript": ("a.aspx", '<%@ Page Language="JScript"%><%\n', "\n%>", 'eval(%s,"unsafe");'),
    "vbscript": ("a.asp", "<%\n", "\n%>", "execute %s"),
    "php": ("a.php", "<?php\n", "\n?>", "system(%s);"),
    "java": ("a.jsp", "<%\n", "\n%>", "Runtime.getRuntime().exec(%s);"),
    "razor": ("a.cshtml", "@{\n", "\n}", "System.Diagnostics.Process.Start(%s);"),
}  # fmt: skip
REQUEST = {
    "c#": 'Request["a"]', "vb": 'Request("a")', "jscript": 'Request.Item["a"]', "vbscript": 'request("a")', "php": "$_POST[1]",
    "java": 'request.getParameter("a")', "razor": 'Request["a"]',
}  # fmt: skip
_AND = {"vb": " & ", "vbscript": " & ", "php": "."}
_END = {"vb": "\n", "vbscript": "\n"}


def page(language: str, code: str, sink: str = "") -> bytes:
    """A page of a language with some code and a sink behind it."""
    _name, before, behind, call = LANGUAGES[language]
    return (before + code + _END.get(language, "\n") + (call % (sink or REQUEST[language])) + behind).encode()


def _name(language: str, number: int) -> str:
    return f"$v{number}" if language == "php" else f"v{number}"


def _declared(language: str) -> str:
    return {"c#": "string ", "razor": "string ", "java": "String ", "vb": "Dim ", "jscript": "var "}.get(language, "")


def _statement(language: str, text: str) -> str:
    return text + (_END.get(language) or ";")


def of_language(language: str) -> Iterator[tuple[str, bytes]]:
    """What can be done to the reader of a language."""
    join, v, declared = _AND.get(language, "+"), _name(language, 0), _declared(language)
    char = {"php": "chr(65)", "vb": "Chr(65)", "vbscript": "chr(65)", "jscript": "String.fromCharCode(65)"}.get(
        language, "(char)65"
    )
    yield "one line of a string", page(language, _statement(language, f'{declared}{v} = "' + "A" * (3 * MEGABYTE) + '"'), v)
    yield (
        "one line of joined characters",
        page(language, _statement(language, f"{declared}{v} = " + join.join([char] * 150_000)), v),
    )
    yield "joined strings", page(language, _statement(language, f"{declared}{v} = " + join.join(['"ab"'] * 200_000)), v)
    yield "brackets", page(language, _statement(language, f"{declared}{v} = " + "(" * 100_000 + "1" + ")" * 100_000))
    yield "calls", page(language, _statement(language, f"{declared}{v} = " + "f(" * 100_000 + "1" + ")" * 100_000))
    yield "index", page(language, _statement(language, f"{declared}{v} = " + "a[" * 100_000 + "1" + "]" * 100_000))
    yield "choices", page(language, _statement(language, f"{declared}{v} = " + "a ? b : " * 100_000 + "c"))
    yield "minus", page(language, _statement(language, f"{declared}{v} = " + "- " * 200_000 + "1"))
    yield "members", page(language, _statement(language, f"{declared}{v} = x" + ".y" * 200_000))
    yield "blocks", page(language, "{" * 100_000 + "}" * 100_000)
    yield "ifs", page(language, ("if (a) {\n" if language not in ("vb", "vbscript") else "If a Then\n") * 60_000)
    yield "functions", page(language, "function f(a) {\n" * 50_000)
    yield (
        "variables",
        page(language, "".join(_statement(language, f"{declared}{_name(language, n)} = {n}") for n in range(150_000))),
    )
    chain = "".join(
        _statement(language, f'{declared}{_name(language, n + 1)} = {_name(language, n)}{join}"a"') for n in range(50_000)
    )
    yield (
        "chain of variables",
        page(language, _statement(language, f"{declared}{v} = {REQUEST[language]}") + chain, _name(language, 50_000)),
    )
    doubled = _statement(language, f'{declared}{v} = "aaaaaaaa"') + _statement(language, f"{v} = {v}{join}{v}") * 5000
    yield "doubled string", page(language, doubled, v)
    yield "comment that does not end", page(language, "/*" * MEGABYTE)
    yield "quotes", page(language, "\"'" * MEGABYTE)
    yield "backslashes", page(language, f'{v} = "' + "\\" * (2 * MEGABYTE))
    yield "escapes", page(language, f'{v} = "' + "\\u0041" * 300_000 + '"')
    yield "spaces", page(language, " " * (3 * MEGABYTE))
    yield "generics", page(language, "a<b(c<" * 100_000)
    yield "many blocks", (LANGUAGES[language][1] + LANGUAGES[language][2]).encode() * 20_000 + page(language, "")
    yield "loop of a string", page(language, _loop(language, v, join), v)
    nested = _layers(language, 50)
    if nested:
        yield "50 layers", nested


def _loop(language: str, v: str, join: str) -> str:
    if language == "vb":
        return f'Dim {v} = ""\nDim i\nFor i = 0 To 100000000\n{v} = {v} & "ab"\nNext\n'
    if language == "vbscript":
        return f'{v} = ""\nFor i = 0 To 100000000\n{v} = {v} & chr(65)\nNext\n'
    counter = "$i" if language == "php" else "i"
    kind = {"c#": "int ", "razor": "int ", "java": "int ", "jscript": "var "}.get(language, "")
    head = f"for ({kind}{counter} = 0; {counter} < 100000000; {counter}++)"
    return f'{_declared(language)}{v} = "";\n{head} {{ {v} = {v}{join}"ab"; }}\n'


def _layers(language: str, count: int) -> bytes:
    """Code inside base64, reversed text, character sums, compression, one inside the other."""
    if language == "php":
        code = "eval($_POST[1]);"
        for layer in range(count):
            code = _php_layer(code, layer)
        return f"<?php {code} ?>".encode()
    if language == "vbscript":
        code = "execute request(1)"
        for _layer in range(count):
            code = 'execute strreverse("' + code[::-1].replace('"', '""') + '")'
            if len(code) > MEGABYTE:
                break
        return f"<% {code} %>".encode()
    if language == "jscript":
        code = 'eval(Request.Item["a"],"unsafe")'
        for _layer in range(count):
            code = f'eval(atob("{base64.b64encode(code.encode()).decode()}"))'
            if len(code) > 2 * MEGABYTE:
                break
        return f'<%@ Page Language="JScript"%><%{code}%>'.encode()
    return b""


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _php_layer(code: str, layer: int) -> str:
    packed = zlib.compress(code.encode("latin-1"), 9)[2:-4]
    if layer % 4 == 0:
        return f"eval(gzinflate(base64_decode('{base64.b64encode(packed).decode()}')));"
    if layer % 4 == 1:
        return f"eval(str_rot13('{_quoted(codecs.encode(code, 'rot13'))}'));"
    if layer % 4 == 2:
        return f"eval(strrev('{_quoted(code[::-1])}'));"
    return f"eval(gzuncompress(hex2bin('{zlib.compress(code.encode('latin-1')).hex()}')));"


def of_markup() -> Iterator[Case]:
    """What can be done to the readers of markup and bytes."""
    shell = page("jscript", "")
    for what, text in {
        "one line of markup": b"<a b=c>" * (20 * MEGABYTE // 7),
        "open tags": b"<" * (3 * MEGABYTE),
        "open blocks": b"<%" * (2 * MEGABYTE),
        "closed blocks": b"<% %>" * 800_000,
        "expressions": b"<%=a%>" * 600_000,
        "open scripts": b"<script runat=server " * 150_000,
        "client scripts": b"<script>" * 400_000,
        "server scripts": b"<script runat=server>a</script>" * 100_000,
        "controls": b"<asp:TextBox id=a runat=server />" * 100_000,
        "attributes": b"<asp:x " + b'a="b" ' * 500_000 + b"runat=server>",
        "runat": b"runat=server " * 300_000,
        "directives": b'<%@ Import Namespace="A"%>' * 150_000,
        "includes": b"<!--#include file=a-->" * 150_000,
        "comments": b"<%--" * 700_000,
        "percent": b"%3C%25" * 600_000,
        "utf-7": b"+ADw-" * 700_000,
        "utf-7 open": b"+ADw" * 700_000,
        "NUL": b"\0a" * 1_500_000 + b"b",
        "encoded script": b"#@~^AAAAAA==" + b"A" * (3 * MEGABYTE) + b"AAAAAA==^#~@",
        "encoded scripts": b"#@~^AAAAAA==AAAAAA==^#~@" * 100_000,
        "open encoded scripts": b"#@~^AAAAAA==" * 250_000,
        "curly quotes": "\u201c\u201d".encode() * 500_000,
        "high bytes": b"\xff\xfe\xfd" * MEGABYTE,
        "java elements": b"<jsp:scriptlet>" * 200_000,
        "entities": b"<jsp:scriptlet>" + b"&#x41;" * 500_000,
        "expression language": b"${" * MEGABYTE,
        "expression language that names classes": b"${getClass" * 300_000,
        "PHP tags": b"<?php ?>" * 300_000,
        "short tags": b"<?" * MEGABYTE,
        "heredocs": b"<?php <<<A\n" * 200_000,
        "razor signs": b"@a" * MEGABYTE,
        "razor blocks": b"@{" * MEGABYTE,
        "razor statements": b"@if(a){" * 300_000,
        "razor chains": b"@a" + b".b" * MEGABYTE,
        "razor calls": b"@a" + b"(b" * MEGABYTE,
        "razor markup": b"@{\n" + b"<a>\n" * 700_000,
        "properties of a directory": b"ExternalUrl : http://f/\n" * 20_000,
        "property that does not end": b"ExternalUrl" + b" " * (3 * MEGABYTE),
        "words with signs": b"a b\tc'd\"e" * 300_000,
        "one word": b"A" * (3 * MEGABYTE),
    }.items():  # fmt: skip
        for name in ("a.aspx", "a.asp", "a.cshtml", "a.vbhtml", "a.php", "a.jsp", "a.ashx", "a.config"):
            yield f"{what} {name}", name, text + b"\n" + shell


def cases() -> Iterator[Case]:
    """Every hostile page."""
    for language, (name, *_rest) in LANGUAGES.items():
        for what, text in of_language(language):
            yield f"{language}: {what}", name, text
    yield from of_markup()
