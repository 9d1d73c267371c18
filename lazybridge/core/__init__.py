"""Translation, prices and providers: everything below the agent."""
