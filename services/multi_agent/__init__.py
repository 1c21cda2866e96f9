"""The multi-agent service: several agents weigh one greeting, and samples of greetings become preference pairs.

- `app`: builds and runs the service
- `scorer`: rollouts to rewards, or prompts to samples; `task`: how one of them shall be done
- `pipeline`: retrieval, then positive beside negative, judge, reflect, and perhaps once more; `evaluation`: what comes
  of it
- `agents`: who is asked, with prompts from ``prompts/``; `answers`: what they answer; `questions`: what they are asked
- `sampler`: several candidates of one prompt; `pairs`: the rule that makes a preference pair of them; `sample`: the
  document that tells all of it
- `retrieval`: finds greetings in a corpus; `examples`: opens it as the settings say
- `routes`: ``POST /v1/sample`` and ``POST /v1/evaluate``; `watching`: an evaluation with somebody looking on
- `options`, `settings`, `metrics`: what can be asked for, what can be set, what is counted
"""
