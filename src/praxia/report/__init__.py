"""report.html and the tables of the terminal."""

from praxia.report.content import Answer, Clip, DataSource, Ingredient, Moment, ReportContent
from praxia.report.page import write_report

__all__ = ["Answer", "Clip", "DataSource", "Ingredient", "Moment", "ReportContent", "write_report"]
