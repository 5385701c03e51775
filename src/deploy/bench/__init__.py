"""What ``kface bench`` measures: Tables 8 and 9 of the paper and the stream's frames a second, on this machine.

Speed is measured side by side, and never asserted in a test. What is derived and not measured says so.
"""
