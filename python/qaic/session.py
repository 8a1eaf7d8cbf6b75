# SPDX-License-Identifier: Apache-2.0
"""qaic.Session: one program on one card, as a Python object."""

import atexit
import logging
import os
import threading
import time
import weakref

import numpy as np

from qaic import _qaic
from qaic.metrics import Metrics, Profile
from qaic.options import (BACKEND_OPTIONS, PRECISION_OPTIONS, SESSION_OPTIONS, check_compiler_keyword, checked_session_option,
                          read_options_file, split_keywords)

LOG = logging.getLogger("qaic")

# The cards of this process, made with the first session: an emulated card lives as long as something uses it,
# and sessions share it as programs share a real card.
_context = None
_context_lock = threading.Lock()
_open_sessions = weakref.WeakSet()


def _shared_context():
    global _context
    with _context_lock:
        if _context is None:
            _context = _qaic.Context()
        return _context


def _close_all():
    """Before the interpreter goes: daemon threads stay out of it from here on, and cards are given back."""
    _qaic.close()
    for session in list(_open_sessions):
        session.reset()


def _after_fork_in_child():
    """A child has none of the card's threads: it makes a context of its own when it makes a session."""
    global _context, _context_lock
    _qaic.after_fork_in_child()
    _context, _context_lock = None, threading.Lock()
    for session in list(_open_sessions):
        session._forget()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork_in_child)


class ShapeDict(dict):
    """name -> (shape tuple, dtype name). Documentation calls it, programs index it: both work."""

    def __call__(self):
        return self


class Session:
    """A model on a card.

    `model_path`: a compiled program (`programqpc.bin` or its directory), or an `.onnx` file, which is compiled
    first with the compiler options among the keywords (in memory, or to `output_dir`).

    Options of the session: dev_id=0, num_activations=1, set_size=10 (inferences in flight per activation),
    enable_metrics=False, enable_profiling=False, options_path=None (a YAML file with any of the options),
    output_dir=None, backend='aic', oversubscription_name=None (accepted, no effect).

    Thread safe: run() may be called from several threads and uses num_activations x set_size slots.
    Errors: TypeError (an unknown option), ValueError (a wrong value, name, shape or type), qaic.Error, which is a
    RuntimeError (everything that the compiler, the runtime or the card reports).
    """

    def __init__(self, model_path, **kwargs):
        self._lock = threading.Lock()
        self._runner = None
        self._forked = False
        path = _checked_path(model_path)
        if kwargs.get("options_path") is not None:
            kwargs = {**read_options_file(os.fspath(kwargs["options_path"])), **kwargs}
        self._options, compiler = split_keywords(kwargs)
        self._check_options()
        keywords = self._check_compiler_keywords(compiler, compiles=path.endswith(".onnx"))
        self._program = self._compile(path, keywords) if path.endswith(".onnx") else _qaic.Program(path)
        self.model_input_shape_dict = ShapeDict((name, (shape, dtype)) for name, shape, dtype in self._program.inputs)
        self.model_output_shape_dict = ShapeDict((name, (shape, dtype)) for name, shape, dtype in self._program.outputs)
        self._metrics = Metrics() if self._options["enable_metrics"] or self._options["enable_profiling"] else None
        self._profile = Profile() if self._options["enable_profiling"] else None
        _open_sessions.add(self)

    # --- options ---

    def _check_options(self):
        if self._options["backend"] != "aic":
            raise ValueError(f"backend is {self._options['backend']!r}; 'aic' is the only one.")
        if self._options["enable_metrics"] and self._options["enable_profiling"]:
            raise ValueError("enable_metrics and enable_profiling exclude each other; enable_profiling includes the metrics.")
        if self._options["oversubscription_name"] is not None:
            LOG.info("oversubscription_name has no effect: every session has NSPs of its own.")

    @staticmethod
    def _check_compiler_keywords(compiler, compiles):
        """Every name and value is checked even when nothing is compiled; what has no effect is logged."""
        pairs = []
        for name, value in compiler.items():
            texts, notes = check_compiler_keyword(name, value)
            pairs += texts
            if not compiles:
                _report_unused(name, value)
            elif value is not None:
                LOG.debug("%s: %s", name, notes or "passed to the compiler")
        return pairs

    def _compile(self, path, keywords):
        try:
            return _qaic.compile(path, self._options["output_dir"] or "", keywords, _log_line)
        except _qaic.Error as error:
            if error.code == "invalid argument":
                raise ValueError(str(error)) from error
            raise

    def backend_options(self):
        """The options that update_backend_options() can change, with their values."""
        return {name: self._options[name] for name in BACKEND_OPTIONS}

    def update_backend_options(self, **kwargs):
        """Changes num_activations, dev_id or set_size; an active session is reset and set up again when next used."""
        for name in kwargs:
            if name not in BACKEND_OPTIONS:
                raise TypeError(f"{name!r} cannot be changed after creation; {', '.join(BACKEND_OPTIONS)} can.")
        checked = {name: checked_session_option(name, value) for name, value in kwargs.items()}
        with self._lock:
            self._options.update(checked)
            self._runner = None

    # --- life on the card ---

    def setup(self):
        """Loads and activates the program; run() does it when it has not been done. Doing it twice is harmless."""
        self._active_runner()

    def reset(self):
        """Gives everything on the card back once running inferences have ended; setup() or run() starts again."""
        with self._lock:
            runner, self._runner = self._runner, None
        del runner  # the last reference: waits for the card outside the lock

    def __enter__(self):
        self.setup()
        return self

    def __exit__(self, *_exception):
        self.reset()

    def _forget(self):
        """In a forked child: leave the parent's objects alone and refuse to use them."""
        self._lock = threading.Lock()
        self._forked = True

    def _active_runner(self):
        if self._forked:
            raise _qaic.Error("This session was made before fork(); make a new qaic.Session in the child process.")
        with self._lock:
            if self._runner is None:
                self._runner = _qaic.Runner(_shared_context(), self._program, **self.backend_options())
            return self._runner

    # --- inference ---

    def run(self, input_dict):
        """One inference. `input_dict`: name -> array of exactly the input's shape and type. Returns name -> array.

        Each input is copied once, into memory that the card reads; the outputs are new C-contiguous arrays that
        belong to the caller.
        """
        if self._profile:
            return self._profile.call(self._run, input_dict)
        return self._run(input_dict)

    def _run(self, input_dict):
        runner = self._active_runner()
        inputs = self._checked_inputs(input_dict)
        outputs = {name: np.empty(shape, dtype) for name, (shape, dtype) in self.model_output_shape_dict.items()}
        started = time.perf_counter()
        runner.run(inputs, list(outputs.values()))
        if self._metrics:
            self._metrics.add([time.perf_counter() - started])
        return outputs

    def run_benchmark(self, num_inferences=None, inf_time=None, input_dict=None):
        """Keeps all slots busy until `num_inferences` are done (default 40) or for `inf_time` seconds.

        Random input by default. Returns (inferences done, inferences per second, seconds, batch size); the rate
        counts inferences, multiply it by the batch size for samples.
        """
        if num_inferences is not None and inf_time is not None:
            raise ValueError("num_inferences and inf_time exclude each other; give one of them.")
        if inf_time is not None and not inf_time > 0:
            raise ValueError(f"inf_time is {inf_time!r}; give a number of seconds above 0.")
        count = None if inf_time is not None else 40 if num_inferences is None else num_inferences
        if count is not None and not (isinstance(count, int) and count > 0):
            raise ValueError(f"num_inferences is {count!r}; give a whole number above 0.")
        inputs = self._checked_inputs(self._random_inputs() if input_dict is None else input_dict)
        done, seconds, latencies = self._active_runner().benchmark(inputs, count, float(inf_time or 0.0))
        if self._metrics:
            self._metrics.add(latencies)
        return done, done / seconds if seconds > 0 else 0.0, seconds, self._program.batch_size

    def _random_inputs(self):
        rng = np.random.default_rng(0)
        return {name: (rng.random(shape).astype(dtype) if dtype.startswith("float") else np.zeros(shape, dtype))
                for name, (shape, dtype) in self.model_input_shape_dict.items()}

    def _checked_inputs(self, input_dict):
        """C-contiguous arrays in binding order; ValueError names the tensor, what is expected and what was given."""
        if not hasattr(input_dict, "items"):
            raise TypeError(f"run() takes a dictionary of arrays by input name, not {type(input_dict).__name__}.")
        unknown = [str(name) for name in input_dict if name not in self.model_input_shape_dict]
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: no such input; this program has {', '.join(self.model_input_shape_dict)}.")
        arrays = []
        for name, (shape, dtype) in self.model_input_shape_dict.items():
            if name not in input_dict:
                raise ValueError(f"Input {name} is missing; expected an array of shape {shape} and type {dtype}.")
            arrays.append(_checked_array(name, input_dict[name], shape, dtype))
        return arrays

    # --- measurements ---

    def get_metrics(self):
        """Latency statistics in seconds of all inferences so far; needs enable_metrics or enable_profiling."""
        return self._needed_metrics().summary()

    def print_metrics(self):
        """Prints what get_metrics() returns."""
        print(self._needed_metrics().report())

    def _needed_metrics(self):
        if self._metrics is None:
            raise _qaic.Error("This session keeps no metrics; make it with enable_metrics=True.")
        return self._metrics

    def print_profile_data(self, n=1):
        """Prints the host profile of the first `n` calls of run(); needs enable_profiling."""
        if self._profile is None:
            raise _qaic.Error("This session keeps no profile; make it with enable_profiling=True.")
        print(self._profile.report(n))


def _log_line(line):
    """One line of the compiler: "WARNING: …" and "INFO: …" say their level themselves."""
    level, colon, text = line.partition(": ")
    if colon and level == "WARNING":
        LOG.warning("%s", text)
    else:
        LOG.info("%s", text if level == "INFO" else line)


def _report_unused(name, value):
    """A compiler keyword given with a compiled program: an error where the caller waits for a file, a warning where
    results differ from what was asked for."""
    if name == "dump_graph" and value is not None:
        raise ValueError(f"dump_graph={os.fspath(value)!r} writes the graph while compiling, and this program is compiled already; "
                         "give the .onnx file.")
    level = logging.WARNING if name in PRECISION_OPTIONS and value not in (None, False) else logging.INFO
    LOG.log(level, "%s has no effect: the program is compiled already.", name)


def _checked_path(model_path):
    if not isinstance(model_path, (str, os.PathLike)):
        raise TypeError(f"model_path is a {type(model_path).__name__}; give the path of an .onnx file or of programqpc.bin.")
    path = os.fspath(model_path)
    if not isinstance(path, str):
        path = os.fsdecode(path)
    if not path.endswith((".onnx", ".bin")) and not os.path.isdir(path):
        raise ValueError(f"{path} is neither an .onnx file nor a compiled program (programqpc.bin or its directory).")
    return path


def _checked_array(name, value, shape, dtype):
    """`value` as a C-contiguous array of exactly this shape and type, without a copy where it is one already."""
    expected = np.dtype(dtype)
    if not isinstance(value, np.ndarray):
        try:
            value = np.asarray(value, expected)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"Input {name}: expected an array of shape {shape} and type {dtype}, given "
                             f"{type(value).__name__} that does not convert ({error}).") from None
    if value.dtype == np.bool_ and expected == np.int8:
        value = value.view(np.int8)  # ONNX's BOOL is one byte, 0 or 1, at a program's edge
    if value.shape == () and shape == (1,):
        value = value.reshape(1)  # a program carries a scalar as one element
    if value.dtype != expected or value.shape != shape:
        hint = f" Convert it with astype('{dtype}')." if value.shape == shape else ""
        raise ValueError(f"Input {name}: expected shape {shape} and type {dtype}, given shape {value.shape} and type "
                         f"{value.dtype}.{hint}")
    return value if value.flags.c_contiguous else value.copy(order="C")
