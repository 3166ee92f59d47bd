"""The figures. None knows a backend or rule: names, their order and their looks come with the data.

Every frame has the columns `label` (who ran: an ordered category, one panel or row each), `rule` and `mode`.
"""
