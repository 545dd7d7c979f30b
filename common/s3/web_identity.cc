// SPDX-License-Identifier: Apache-2.0
#include "common/s3/web_identity.h"

#include <utility>

#include "common/http/http_client.h"
#include "common/http/percent.h"
#include "common/s3/credentials_file.h"
#include "common/s3/s3_answers.h"
#include "common/s3/s3_error.h"
#include "pugixml.hpp"

namespace lwq {

StatusOr<AwsCredentials> ParseAssumedRole(std::string_view xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size())) {
    return absl::UnavailableError("the token service's answer is not XML");
  }
  const pugi::xml_node node =
      document.child("AssumeRoleWithWebIdentityResponse").child("AssumeRoleWithWebIdentityResult").child("Credentials");
  AwsCredentials credentials{node.child_value("AccessKeyId"), node.child_value("SecretAccessKey"),
                             node.child_value("SessionToken"), 0};
  const std::optional<int64_t> expires = ParseIsoTime(node.child_value("Expiration"));
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty() || !expires.has_value()) {
    return absl::UnavailableError("the token service's answer has no credentials");
  }
  credentials.expires_unix_s = *expires;
  return credentials;
}

StatusOr<AwsCredentials> AssumeRoleWithWebIdentity(const WebIdentity& identity, HttpClient& http) {
  const auto refused = [&](const Status& status) {
    return Annotate(status, absl::StrCat("credentials for role ", identity.role_arn, " from ", identity.endpoint));
  };
  StatusOr<std::string> token = ReadSecretFile(identity.token_file);
  if (!token.ok()) {
    return refused(
        absl::FailedPreconditionError(absl::StrCat("AWS_WEB_IDENTITY_TOKEN_FILE: ", MessageOf(token.status()))));
  }
  while (!token->empty() && (token->back() == '\n' || token->back() == '\r')) token->pop_back();
  const std::string form = EncodeQuery({{"Action", "AssumeRoleWithWebIdentity"},
                                        {"Version", "2011-06-15"},
                                        {"RoleArn", identity.role_arn},
                                        {"RoleSessionName", identity.session_name},
                                        {"WebIdentityToken", *token}});
  HttpRequest request;
  request.method = "POST";
  request.url = absl::StrCat(identity.endpoint, identity.endpoint.ends_with('/') ? "" : "/");
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  request.body = std::as_bytes(std::span(form.data(), form.size()));
  const StatusOr<HttpResponse> response = http.Send(request);
  if (!response.ok()) return refused(response.status());
  if (response->status != 200) return refused(StatusOfS3Error(*response, "AssumeRoleWithWebIdentity"));
  StatusOr<AwsCredentials> credentials = ParseAssumedRole(response->body);
  if (!credentials.ok()) return refused(credentials.status());
  return credentials;
}

}  // namespace lwq
