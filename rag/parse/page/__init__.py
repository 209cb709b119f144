"""What stands on a page that is known by its looks only: tables and headings, from where words are.

PDFs and pictures of text come in as `layout.Layout`; nothing here knows where it came from.
"""
