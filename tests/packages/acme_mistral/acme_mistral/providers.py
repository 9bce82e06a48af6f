"""A catalogue of actions that nobody has to write classes for."""

from mistral_lib import actions


class Convert(actions.Action):
    """Converts an amount."""

    def __init__(self, amount, rate=2):
        self.amount = amount
        self.rate = rate

    def run(self, context):
        if self.amount < 0:
            return actions.Result(error='a debt')
        return self.amount * self.rate


class Descriptor(actions.PythonActionDescriptor):
    def post_process_result(self, result):
        if result.is_success():
            return actions.Result(data={'converted': result.data})
        return result


class Catalogue(actions.ActionProvider):
    def __init__(self, name='acme'):
        super(Catalogue, self).__init__(name)
        self._known = {
            (None, 'acme.convert'): Descriptor('acme.convert', Convert),
            ('bank', 'acme.convert'): Descriptor('acme.convert', Convert, {'bank': True}, namespace='bank'),
            (None, 'acme.secret'): Descriptor('acme.secret', Convert, project_id='other', scope='private'),
        }

    def find(self, action_name, namespace=None):
        return self._known.get((namespace, action_name))

    def find_all(self, namespace=None, limit=None, sort_fields=None, sort_dirs=None, **filters):
        return list(self._known.values())
