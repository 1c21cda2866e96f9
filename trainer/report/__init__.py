"""The page at the end of a run: one HTML file with its pictures inside, readable offline.

- `page`: what a report holds, and rendering it
- `plots`: curves of a training run as pictures
- `policy`: what training did to a policy, as parts of a report
"""
