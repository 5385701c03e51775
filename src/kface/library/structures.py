"""The structures of kface.h, field by field."""

import ctypes


class Image(ctypes.Structure):
    """kface_image."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("stride", ctypes.c_int64),
        ("format", ctypes.c_int32),
    ]


class Face(ctypes.Structure):
    """kface_face."""

    _fields_ = [("box", ctypes.c_float * 4), ("score", ctypes.c_float), ("landmarks", ctypes.c_float * 10)]


class Options(ctypes.Structure):
    """kface_options."""

    _fields_ = [
        ("size", ctypes.c_uint32),
        ("threads", ctypes.c_int32),
        ("embedder", ctypes.c_char_p),
        ("brighten", ctypes.c_char_p),
        ("min_face", ctypes.c_double),
    ]


class TemplateInfo(ctypes.Structure):
    """kface_template_info."""

    _fields_ = [
        ("size", ctypes.c_uint32),
        ("failed", ctypes.c_int32),
        ("reason", ctypes.c_int32),
        ("dimension", ctypes.c_int32),
        ("fingerprint", ctypes.c_char * 65),
    ]
