# SPDX-License-Identifier: Apache-2.0
"""Keyword arguments of Session: which are the session's own, how they are checked, and the options file.

Options of the compiler are not listed here: the compiler has one table for the command line and for these.
"""

import difflib
import logging
import operator
import os

from qaic import _qaic

LOG = logging.getLogger("qaic")

# name -> (default, kind)
SESSION_OPTIONS = {
    "options_path": (None, "path"),
    "backend": ("aic", "text"),
    "dev_id": (0, "count"),
    "num_activations": (1, "positive"),
    "set_size": (10, "positive"),
    "oversubscription_name": (None, "text"),
    "enable_metrics": (False, "switch"),
    "enable_profiling": (False, "switch"),
    "output_dir": (None, "path"),
}
# Depth of a DMA bridge channel's queue in libqaicrt.
MAX_SET_SIZE = 4096
# Those of a session that update_backend_options() changes.
BACKEND_OPTIONS = ("num_activations", "dev_id", "set_size")
# Options of the compiler that change results: with a compiled program the caller does not get what these ask for.
PRECISION_OPTIONS = ("convert_to_fp16", "mxfp6_matmul", "mx_profile", "execute_nodes_in_fp16", "keep_original_precision_for_nodes",
                     "node_precision_info", "node_precision_info_file", "convert_to_quantize", "quantization_precision",
                     "quantization_precision_bias")

_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


def checked_session_option(name, value):
    """The value in its own type; ValueError names the option and what fits."""
    default, kind = SESSION_OPTIONS[name]
    if value is None and default is None:
        return None
    if kind == "switch":
        if isinstance(value, bool):
            return value
        raise ValueError(f"{name} is {value!r}; give True or False.")
    if kind in ("count", "positive"):
        least, most = 1 if kind == "positive" else 0, MAX_SET_SIZE if name == "set_size" else 65535
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise ValueError(f"{name} is {value!r}; give a whole number from {least} to {most}.")
    if kind == "path":
        return os.fspath(value)
    if isinstance(value, str):
        return value
    raise ValueError(f"{name} is {value!r}; give a string.")


def keyword_texts(name, value):
    """A compiler keyword as the compiler's parser reads it: a list of texts, one for each repetition."""
    if name.replace("-", "_") == "onnx_define_symbol":
        pairs = value.items() if hasattr(value, "items") else value
        try:
            return [f"{symbol},{int(size)}" for symbol, size in pairs]
        except (TypeError, ValueError):
            raise ValueError(f"onnx_define_symbol is {value!r}; give {{'name': size}} or [('name', size)].") from None
    if name.replace("-", "_") == "input_shape":
        pairs = value.items() if hasattr(value, "items") else value
        try:
            return [f"{tensor},{'x'.join(str(operator.index(size)) for size in shape)}" for tensor, shape in pairs]
        except (TypeError, ValueError):
            raise ValueError(f"input_shape is {value!r}; give {{'input': [sizes]}} or [('input', [sizes])].") from None
    if value is None:
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, (list, tuple)):
        return [",".join(str(item) for item in value)] if value else []
    if isinstance(value, (str, int, float)) or hasattr(value, "__fspath__"):
        return [str(value)]
    raise ValueError(f"{name} is {value!r}; give a string, a number, True, False or a list of them.")


def check_compiler_keyword(name, value):
    """Returns [(name, text)] after the compiler has accepted name and value, and logs options without effect."""
    pairs = [(name, text) for text in keyword_texts(name, value)]
    notes = []
    for pair in pairs or [(name, "")]:
        try:
            notes += _qaic.check_keyword(*pair)
        except _qaic.Error as error:
            if "is not an option" in str(error):
                raise TypeError(unknown_keyword(name)) from None
            if pairs:
                raise ValueError(str(error)) from None
    return pairs, notes


def unknown_keyword(name):
    near = difflib.get_close_matches(name, [*SESSION_OPTIONS, *_COMMON], n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"qaic.Session has no option {name!r}.{hint} qaic-exec --usage lists the compiler's."


_COMMON = ("aic_num_cores", "convert_to_fp16", "mxfp6_matmul", "mx_profile", "onnx_define_symbol", "input_shape", "batchsize",
           "stats_batchsize", "output_node_names", "time_passes", "aic_perf_metrics")


def split_keywords(keywords):
    """Session options with defaults filled in, and compiler keywords as {name: value}."""
    for name in keywords:
        if not isinstance(name, str):
            raise TypeError(f"options have string names, not {name!r}.")
    session = {name: default for name, (default, _) in SESSION_OPTIONS.items()}
    compiler = {}
    for name, value in keywords.items():
        plain = name.replace("-", "_")
        if plain in SESSION_OPTIONS:
            session[plain] = checked_session_option(plain, value)
        else:
            compiler[plain] = value
    return session, compiler


def read_options_file(path):
    """Options of a YAML file: `name: value` lines, one level of nesting, lists in brackets or with dashes.

    This is all of YAML that such files use, so no YAML package is needed. Everything else is an error that
    names the line.
    """
    options, parent = {}, None
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise _qaic.Error(f"The options file {path} cannot be read: {error.strerror}.") from error
    for number, raw in enumerate(lines, 1):
        line = _without_comment(raw)
        if not line.strip() or line.strip() in ("---", "..."):
            continue
        where = f"{path}, line {number}"
        if line[0] in " \t":
            if parent is None:
                raise ValueError(f"{where}: indented, but no option above takes a list or a mapping.")
            options[parent] = _add_nested(options[parent], line.strip(), where)
            continue
        key, value = _key_and_value(line.rstrip(), where)
        if key in options:
            raise ValueError(f"{where}: option {key} is given twice.")
        options[key] = _scalar(value, where)
        parent = key if not value else None
    return {name.replace("-", "_"): value for name, value in options.items()}


def _without_comment(line):
    quote = None
    for index, character in enumerate(line):
        if quote:
            quote = None if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "#" and (index == 0 or line[index - 1] in " \t"):
            return line[:index]
    return line


def _key_and_value(text, where):
    key, colon, value = text.partition(":")
    if not colon or (value and value[0] not in " \t") or not key.strip():
        raise ValueError(f"{where}: {text!r} is not 'name: value'.")
    return key.strip().strip("'\""), value.strip()


def _add_nested(so_far, text, where):
    if text == "-" or text.startswith("- "):
        if so_far is not None and not isinstance(so_far, list):
            raise ValueError(f"{where}: a list item among 'name: value' lines.")
        return [*(so_far or []), _scalar(text[1:].strip(), where)]
    if so_far is not None and not isinstance(so_far, dict):
        raise ValueError(f"{where}: 'name: value' among list items.")
    key, value = _key_and_value(text, where)
    return {**(so_far or {}), key: _scalar(value, where)}


def _scalar(text, where):
    if text.startswith("["):
        if not text.endswith("]"):
            raise ValueError(f"{where}: a list has to end with ] on its line.")
        inner = text[1:-1].strip()
        return [_scalar(item.strip(), where) for item in inner.split(",")] if inner else []
    if text[:1] in ("{", "&", "*", "!", "|", ">", "@", "`", "%"):
        raise ValueError(f"{where}: {text!r} is YAML that options files here do not use; write plain 'name: value' lines.")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
