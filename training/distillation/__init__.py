"""A small detector taught by approved boxes and by the detector that proposed them (`dinolabel distil`)."""
