"""A small scanner of C (and the C++ of the tests): functions with their lines, parameters and nesting.

It relies on what clang-format and our habits give: no macros that open or close a brace for others.
"""
import re

TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w.]*|->|\S")
CONTROL = {"if", "for", "while", "switch"}
NOT_FUNCTION = {"if", "for", "while", "switch", "return", "sizeof", "do", "else"}


def blank(text, keep_strings=False):
    """text with comments, strings and preprocessor lines blanked; lines and columns stay."""
    def spaces(m):
        s = m.group(0)
        if keep_strings and s[0] in "\"'R":
            return s
        return re.sub(r"[^\n]", " ", s) if s[0] == "/" else '"' + re.sub(r"[^\n]", " ", s[1:-1]) + '"'
    text = re.sub(r'/\*.*?\*/|//[^\n]*|R"\(.*?\)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
                  spaces, text, flags=re.S)
    if keep_strings:
        return text
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text,
                  flags=re.M)


class Function:
    def __init__(self, name, line, lines, parameters, nesting, is_switch):
        self.name, self.line, self.lines = name, line, lines
        self.parameters, self.nesting, self.is_switch = parameters, nesting, is_switch


def tokens_of(text):
    line, pos, out = 1, 0, []
    for m in TOKEN.finditer(text):
        line += text.count("\n", pos, m.start())
        pos = m.start()
        out.append((m.group(0), line))
    return out


def match(toks, i):
    """The index behind the bracket that closes the one at i."""
    depth = 0
    while i < len(toks):
        if toks[i][0] in "([{":
            depth += 1
        elif toks[i][0] in ")]}":
            depth -= 1
            if not depth:
                return i + 1
        i += 1
    return i


def statement(toks, i, depth, seen):
    """Skips one statement that starts at i; seen collects the nesting depths. Returns the next index."""
    word = toks[i][0]
    if word == "{":
        end = match(toks, i)
        block(toks, i + 1, end - 1, depth + 1, seen)
        return end
    if word in ("case", "default"):
        while toks[i][0] != ":":
            i = match(toks, i) if toks[i][0] == "(" else i + 1
        return i + 1
    if word == "do":
        i = body(toks, i + 1, depth, seen)
        while i < len(toks) and toks[i][0] != ";":
            i += 1
        return i + 1
    is_macro = (word not in CONTROL and re.match(r"[A-Za-z_]", word) and i + 1 < len(toks)
                and toks[i + 1][0] == "(" and is_loop_macro(toks, match(toks, i + 1)))
    if word in CONTROL or is_macro:
        i = body(toks, match(toks, i + 1), depth, seen)
        while word == "if" and i < len(toks) and toks[i][0] == "else":
            i += 1
            if toks[i][0] == "if":
                i = match(toks, i + 1)
            i = body(toks, i, depth, seen)
        return i
    while i < len(toks) and toks[i][0] != ";":
        i = match(toks, i) if toks[i][0] in "([{" else i + 1
    return i + 1


def is_loop_macro(toks, i):
    """After NAME(...) comes a statement: NAME is a loop."""
    return i < len(toks) and (toks[i][0] == "{" or bool(re.match(r"[A-Za-z_]", toks[i][0])))


def body(toks, i, depth, seen):
    """The statement that an if or a loop governs: one level deeper, with or without braces."""
    seen.append(depth + 1)
    if toks[i][0] == "{":
        end = match(toks, i)
        block(toks, i + 1, end - 1, depth + 1, seen)
        return end
    return statement(toks, i, depth + 1, seen)


def block(toks, i, end, depth, seen):
    seen.append(depth)
    while i < end:
        i = statement(toks, i, depth, seen)


def is_pure_switch(toks):
    """The body is one switch, and nothing but a return behind it."""
    if not toks or toks[0][0] != "switch":
        return False
    rest = [t for t, _ in toks[match(toks, match(toks, 1)):]]
    return not rest or (rest[0] == "return" and rest.index(";") == len(rest) - 1)


def parameters_of(toks):
    """How many parameters the parentheses toks (without the outer pair) declare."""
    if not toks or (len(toks) == 1 and toks[0][0] == "void"):
        return 0
    count, i = 1, 0
    while i < len(toks):
        if toks[i][0] == ",":
            count += 1
        i = match(toks, i) if toks[i][0] in "([{" else i + 1
    return count


def function_at(toks, start, brace):
    """The function whose signature is toks[start:brace], or None."""
    if any(t == "=" for t, _ in toks[start:brace]):
        return None  # a table
    i = start
    while i < brace and toks[i][0] != "(":
        i += 1
    if i == brace or i == start:
        return None
    name = toks[i - 1][0]
    if name == "__attribute__":
        return function_at(toks, match(toks, i), brace)
    if not re.match(r"[A-Za-z_]", name) or name in NOT_FUNCTION:
        return None
    end = match(toks, brace)
    inner, seen = toks[brace + 1:end - 1], []
    block(inner, 0, len(inner), 0, seen)
    return Function(name, toks[start][1], toks[end - 1][1] - toks[start][1] + 1,
                    parameters_of(toks[i + 1:match(toks, i) - 1]), max(seen), is_pure_switch(inner))


def functions(text):
    """All functions defined in the C or C++ text."""
    toks = tokens_of(blank(text))
    out, i, start = [], 0, 0
    while i < len(toks):
        word = toks[i][0]
        if word == ";" or word == "}":
            start = i + 1
            i += 1
        elif word == "{":
            words = {t for t, _ in toks[start:i]}
            f = function_at(toks, start, i)
            if f:
                out.append(f)
                i = start = match(toks, i)
            elif "=" in words or "enum" in words:
                i = match(toks, i)
            else:  # struct, class, namespace, extern "C": look inside
                i += 1
                start = i
        elif word in "([":
            i = match(toks, i)
        else:
            i += 1
    return out
