"""Incoming HTTP, with no Matrix subject in it.

`endpoint` declares, `table` finds, `authentication` and `limits` admit, `arguments` converts, `responses` answers,
`compression` makes answers small; `dispatch` is the order in which they are asked, `connection` and `application` are
what stands around it.
"""
