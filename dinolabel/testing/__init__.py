"""Laws of plug-ins as functions to call in a test: each raises an AssertionError that says which law is broken, and by what.

    from dinolabel.testing import check_detector
    check_detector(my_plug.build_for_tests)

Our own plug-ins are held to the same (tests/contract). docs/plugins.md says what a plug-in holds.
"""

from dinolabel.testing.detectors import check_detector
from dinolabel.testing.embedders import check_embedder
from dinolabel.testing.exporters import check_exporter
from dinolabel.testing.heads import check_head
from dinolabel.testing.importers import check_importer

__all__ = ["check_detector", "check_embedder", "check_exporter", "check_head", "check_importer"]
