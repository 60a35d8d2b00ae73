"""`python -m gridbourse` is the command `gridbourse`."""

from gridbourse.cli.main import main

main()
