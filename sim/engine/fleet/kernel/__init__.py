"""The compiled fleet: the plain one said again for Numba, for tables of jobs that nothing acts back on.

``records`` names what the functions here read and write; ``loop.call`` is the one way in. What grows with the number of
nodes, of jobs that run and of jobs that wait is kept in sets of bits by free slots, a list of dues in blocks, and a
tree of limits for each size of job, so that a question costs hardly more on a large fleet than on a small one.
"""
