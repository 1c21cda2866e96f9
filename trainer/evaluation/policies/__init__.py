"""What policies are worth: what they write, under every reward, with length held fixed, and what it repeats or copies.

- `models`, `generation`, `samples`, `written`: who writes, writing in parts that outlast a kill, and completions that
  were written elsewhere
- `excellence`, `lengths`, `reward_figures`: rewards, how many texts are excellent, and what length did
- `self_bleu`, `copying`, `text_figures`: what needs no reward
- `comparison`: any two policies on the same prompts
- `reading`: samples that a person should read
- `texts`: every sample with its rewards
- `result`, `notices`, `sections`, `report`: all figures, and how they are told
- `job`, `command`: ``zhufu evaluate policy``
"""
