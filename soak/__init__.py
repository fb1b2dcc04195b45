"""A soak: storms, then peace, on a deployed pair; afterward its stores alone are judged. See docs/internals/soak.md."""
