import no_such_module_of_acme  # noqa


class Broken(object):
    def run(self, context):
        pass
