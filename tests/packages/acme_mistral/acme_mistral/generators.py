"""Actions made of a table, as sets of actions for clouds do it."""

from mistral_lib import actions

METHODS = {
    'acme.servers_list': ('list_servers', 'limit=10, filters={"state": "up, running"}, **kwargs', 'Lists servers.'),
    'acme.servers_get': ('get_server', 'server, action_region=""', 'Gets a server.'),
}


class ServerAction(actions.Action):
    """The base of all actions on servers."""

    method_name = None

    def __init__(self, **kwargs):
        self.region = kwargs.pop('action_region', '')
        self.kwargs = kwargs

    def run(self, context):
        return [self.method_name, self.region, self.kwargs]


class ServerGenerator(object):
    base_action_class = ServerAction

    @classmethod
    def create_actions(cls):
        return [
            {
                'class': type(str(name), (ServerAction,), {'method_name': method}),
                'name': name,
                'description': description,
                'arg_list': arguments,
            }
            for name, (method, arguments, description) in METHODS.items()
        ]


def all_generators():
    return [ServerGenerator]
