"""Media files, decoded in a child process: the core process never imports the codecs, and survives what they do.

The protocol between the two, on the child's standard streams:

- out: one line of JSON, the `Header`; then raw `s16le` frames until the end. The pipe is the back-pressure.
- err: nothing if all is well; otherwise the last line says why the frames ended, and the exit status is 1.
- in: nothing. When it closes, the parent is gone, and so is the child.
"""
