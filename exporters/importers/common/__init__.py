"""What every importer needs: values, marks, matching with tasks, the data set's own folder."""
