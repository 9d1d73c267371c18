"""lazybridge"""
