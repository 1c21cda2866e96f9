"""What rewards are worth on labelled greetings, with length held fixed, beside baselines that read no meaning.

`job` goes from options to a report; `material` is what is evaluated, `column` what one reward or baseline says of it,
`measuring` the figures with their intervals, `comparisons` the tests between them, `findings` what must not be
overlooked.
"""
