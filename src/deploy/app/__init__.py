"""The window of the paper's Fig. 13 to 15: a Qt application on :class:`deploy.session.Session`, which decides everything."""
