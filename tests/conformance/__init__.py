"""The endpoints as declared: compared with the specification, and fed with whatever should not come in."""
