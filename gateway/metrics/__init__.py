"""Every number we export: what each of them is, and which fact of which room becomes which number.

A file here is a subject: it declares its metrics as values and has the facts that feed them. Label values come from
closed sets or from the names in providers.yaml. No label ever holds a user's name, a link, a key or an order's id.
docs/metrics.md is written from the declarations (`make metrics`), and a test keeps the two in step.
"""

from gateway.metrics.metrics import Metrics as Metrics
