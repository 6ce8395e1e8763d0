"""The engine process: Silero VAD and Whisper in a child, behind the `Vad` and `Engine` ports.

    core process                                    child (worker.py)
    ┌──────────────┐  requests  ┌───────────────┐   reader ─▶ vad thread      (vad.py)
    │ EngineClient │ ─────────▶ │ EngineProcess │ ═══▶     ─▶ whisper thread  (whisper.py)
    │  client.py   │ ◀───────── │  process.py   │ ◀═══ answers, length-prefixed msgpack (messages.py)
    └──────────────┘  answers   └───────────────┘

The client outlives the child: actors hold it and never see a restart, only a later answer. The process actor is one
life of the child: it starts it, feeds it, watches it, and raises when it is gone; the supervisor starts the next one.
"""
