"""Tables in files as people have them: CSV and XLSX, read and written a row at a time, whatever their size."""

from stasis_dialer.files.delimited import BadRow, Row
from stasis_dialer.files.reading import Table, open_table
from stasis_dialer.files.writing import TableWriter, open_writer

__all__ = ["BadRow", "Row", "Table", "TableWriter", "open_table", "open_writer"]
