"""A small LLM on this machine: llama.cpp's own server, OpenAI-compatible, for trying things out.

python -m trainer.local_llm --port 8004                       serve Gemma 3 270M, a base model, from its package
python -m trainer.local_llm --port 8004 --model FILE.gguf     serve another model

- `options`: what it can be told, and why the defaults are as they are
- `weights`: the Gemma file, put together once and kept; and what a GGUF file has to look like
- `server`: the process
- `errors`: what can go wrong, and the exit status of each
"""
