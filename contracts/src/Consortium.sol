// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ballot, IConsortium, Master, Role, Settings, SlaveChain, Standing} from "./interfaces/IConsortium.sol";
import {Rules} from "./types/Rules.sol";

/// @title The members of the main chain and the rules they set
contract Consortium is IConsortium {
    uint16 private constant MAX_MASTERS = 255;
    uint256 private constant VOTING_SECONDS = 14 days;
    /// @dev So many actions one master may have put to the vote at once.
    uint256 private constant MAX_OPEN = 8;

    struct Validator {
        bytes32 key;
        bytes20 nodeId;
    }

    uint16 public masterCount;
    uint16 public settlementAgent;
    uint16 public dispatcher;
    address public regulator;
    bytes public regulatorEncryptionKey;
    /// @dev Bit `1 << masterId` for every active master.
    uint256 private _activeMasters;
    /// @dev Those of them whose role may trade, counted anew whenever one of the two changes.
    uint256 private _tradingMasters;
    Settings private _settings;

    mapping(uint16 masterId => Master) private _masters;
    mapping(address account => uint16 masterId) private _idOf;
    mapping(uint16 masterId => SlaveChain) private _slaveChains;
    mapping(bytes32 actionId => Ballot) private _ballots;
    /// @dev The actions that are voted on, also those whose time is over and that nobody has cleared away yet.
    bytes32[] private _openIds;
    mapping(uint16 masterId => Validator) public validator;

    modifier byVote() {
        if (msg.sender != address(this)) revert OnlyByVote();
        _;
    }

    /// @param founders The first masters; the first grid master becomes the settlement agent and the dispatcher.
    /// @param roles Their roles, in the same order.
    /// @param regulator_ The government's address.
    /// @param encryptionKey Its public key, as long as the region's suite makes it.
    /// @param settings_ The first market settings.
    constructor(
        address[] memory founders,
        Role[] memory roles,
        address regulator_,
        bytes memory encryptionKey,
        Settings memory settings_
    ) {
        for (uint256 i; i < founders.length; ++i) {
            uint16 masterId = _admit(founders[i], roles[i]);
            if (settlementAgent == 0 && roles[i] == Role.Grid) settlementAgent = masterId;
        }
        if (settlementAgent == 0) revert RoleMissing();
        dispatcher = settlementAgent;
        emit SettlementAgentChanged(settlementAgent);
        emit DispatcherChanged(dispatcher);
        _changeRegulator(regulator_, encryptionKey);
        _changeSettings(settings_);
    }

    function vote(bytes calldata action) external returns (bool carried) {
        uint16 masterId = activeMasterId(msg.sender);
        bytes32 actionId = keccak256(action);
        Ballot storage ballot = _ballots[actionId];
        if (ballot.end < block.timestamp) _open(actionId, masterId, action);
        uint256 voters = ballot.inFavour | 1 << masterId;
        emit Voted(actionId, masterId, action);

        carried = 2 * _count(voters) > _count(_activeMasters);
        if (!carried) {
            if (voters == ballot.inFavour) revert VotedAlready(actionId);
            (ballot.inFavour, ballot.against) = (voters, ballot.against & ~(1 << masterId));
            return false;
        }
        _close(actionId);
        (bool succeeded, bytes memory reason) = address(this).call(action);
        if (!succeeded) {
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
        emit ActionCarried(actionId);
    }

    function oppose(bytes32 actionId) external {
        uint16 masterId = activeMasterId(msg.sender);
        Ballot storage ballot = _openBallot(actionId);
        (ballot.inFavour, ballot.against) = (ballot.inFavour & ~(1 << masterId), ballot.against | 1 << masterId);
        emit Opposed(actionId, masterId);
        if (2 * _count(ballot.against) >= _count(_activeMasters)) {
            _close(actionId);
            emit ActionRejected(actionId);
        }
    }

    function withdrawVote(bytes32 actionId) external {
        uint16 masterId = activeMasterId(msg.sender);
        Ballot storage ballot = _openBallot(actionId);
        uint256 others = ~(1 << masterId);
        (ballot.inFavour, ballot.against) = (ballot.inFavour & others, ballot.against & others);
        emit VoteWithdrawn(actionId, masterId);
        if (ballot.inFavour == 0) {
            _close(actionId);
            emit ActionRejected(actionId);
        }
    }

    function admit(address account, Role role) external byVote {
        uint16 masterId = _idOf[account];
        if (masterId == 0) {
            _admit(account, role);
        } else {
            Master storage known = _masters[masterId];
            if (known.active) revert NothingToChange(masterId);
            if (role == Role.None) revert RoleMissing();
            known.active = true;
            known.role = role;
            _activeMasters |= 1 << masterId;
            emit MasterAdmitted(masterId, account, role);
        }
        _countTradingMasters();
    }

    function suspend(uint16 masterId) external byVote {
        Master storage known = _known(masterId);
        if (!known.active) revert NothingToChange(masterId);
        bool holdsOffice = masterId == settlementAgent || masterId == dispatcher;
        if (holdsOffice || _count(_activeMasters) == 1) revert MasterNeeded(masterId);
        known.active = false;
        _activeMasters &= ~(1 << masterId);
        _countTradingMasters();
        // Its votes end with it, also if it is admitted again.
        for (uint256 i; i < _openIds.length; ++i) {
            Ballot storage ballot = _ballots[_openIds[i]];
            uint256 others = ~(1 << masterId);
            (ballot.inFavour, ballot.against) = (ballot.inFavour & others, ballot.against & others);
        }
        emit MasterSuspended(masterId);
    }

    function changeSettings(Settings calldata settings_) external byVote {
        _changeSettings(settings_);
    }

    function changeSettlementAgent(uint16 masterId) external byVote {
        if (!_known(masterId).active) revert UnknownMaster(masterId);
        settlementAgent = masterId;
        emit SettlementAgentChanged(masterId);
    }

    function changeDispatcher(uint16 masterId) external byVote {
        if (!_known(masterId).active) revert UnknownMaster(masterId);
        dispatcher = masterId;
        emit DispatcherChanged(masterId);
    }

    function changeRegulator(address regulator_, bytes calldata encryptionKey) external byVote {
        _changeRegulator(regulator_, encryptionKey);
    }

    function changeKey(address account, uint8 v, bytes32 r, bytes32 s) external {
        uint16 masterId = activeMasterId(msg.sender);
        _requireFree(account);
        if (ecrecover(keyConsent(masterId), v, r, s) != account) revert ConsentMissing(account);
        delete _idOf[msg.sender];
        _idOf[account] = masterId;
        _masters[masterId].account = account;
        emit MasterKeyChanged(masterId, account);
    }

    function registerValidator(bytes32 key, bytes20 nodeId, bytes calldata proof) external {
        uint16 masterId = activeMasterId(msg.sender);
        if (key == 0 || nodeId == 0 || proof.length != 64) revert ValidatorInvalid();
        validator[masterId] = Validator(key, nodeId);
        emit ValidatorRegistered(masterId, key, nodeId, proof);
    }

    function registerSlave(uint64 chainId, bytes32 genesisHash, address ledger) external {
        uint16 masterId = activeMasterId(msg.sender);
        if (_slaveChains[masterId].chainId != 0) revert SlaveRegisteredAlready(masterId);
        if (chainId == 0 || genesisHash == 0 || ledger == address(0)) revert SlaveInvalid();
        _slaveChains[masterId] = SlaveChain(chainId, genesisHash, ledger);
        emit SlaveRegistered(masterId, chainId, genesisHash, ledger);
    }

    function settings() external view returns (Settings memory) {
        return _settings;
    }

    function master(uint16 masterId) external view returns (Master memory) {
        return _known(masterId);
    }

    function activeMasterId(address account) public view returns (uint16 masterId) {
        masterId = _idOf[account];
        // Nobody has number 0, and its bit is never set.
        if (_activeMasters >> masterId & 1 == 0) revert NotActiveMaster(account);
    }

    function keyConsent(uint16 masterId) public view returns (bytes32) {
        bytes32 statement = keccak256("gridbourse: this key acts for the master");
        return keccak256(abi.encodePacked(hex"1900", address(this), abi.encode(statement, block.chainid, masterId)));
    }

    function standing(address account) external view returns (Standing memory known) {
        (known.masterId, known.tradingMasters) = (activeMasterId(account), _tradingMasters);
        Rules rules;
        assembly ("memory-safe") {
            rules := sload(_settings.slot)
        }
        known.rules = rules;
    }

    function mayTrade(uint16 masterId) external view returns (bool) {
        return masterId <= MAX_MASTERS && _tradingMasters >> masterId & 1 != 0;
    }

    function openActions() external view returns (bytes32[] memory actionIds) {
        actionIds = new bytes32[](_openIds.length);
        uint256 count;
        for (uint256 i; i < actionIds.length; ++i) {
            if (_ballots[_openIds[i]].end >= block.timestamp) actionIds[count++] = _openIds[i];
        }
        assembly ("memory-safe") {
            mstore(actionIds, count)
        }
    }

    function ballotOn(bytes32 actionId) external view returns (Ballot memory ballot, bytes memory inForce) {
        ballot = _openBallot(actionId);
        bytes4 selector = bytes4(ballot.action);
        if (selector == this.changeSettings.selector) inForce = abi.encodeCall(this.changeSettings, (_settings));
        if (selector == this.changeDispatcher.selector) inForce = abi.encodeCall(this.changeDispatcher, (dispatcher));
        if (selector == this.changeSettlementAgent.selector) {
            inForce = abi.encodeCall(this.changeSettlementAgent, (settlementAgent));
        }
        if (selector == this.changeRegulator.selector) {
            inForce = abi.encodeCall(this.changeRegulator, (regulator, regulatorEncryptionKey));
        }
    }

    function slaveChain(uint16 masterId) external view returns (SlaveChain memory) {
        return _slaveChains[masterId];
    }

    /// @dev Puts an action to the vote, and clears away those whose time is over.
    function _open(bytes32 actionId, uint16 masterId, bytes calldata action) private {
        uint256 own;
        for (uint256 i = _openIds.length; i != 0; --i) {
            Ballot storage other = _ballots[_openIds[i - 1]];
            if (other.end < block.timestamp) _close(_openIds[i - 1]);
            else if (other.proposer == masterId) ++own;
        }
        if (own == MAX_OPEN) revert TooManyActions(masterId);
        _openIds.push(actionId);
        uint40 end = uint40(block.timestamp + VOTING_SECONDS);
        _ballots[actionId] = Ballot(action, masterId, end, 0, 0);
        emit Proposed(actionId, masterId, end, action);
    }

    function _close(bytes32 actionId) private {
        delete _ballots[actionId];
        uint256 last = _openIds.length - 1;
        for (uint256 i; i < last; ++i) {
            if (_openIds[i] == actionId) _openIds[i] = _openIds[last];
        }
        _openIds.pop();
    }

    function _openBallot(bytes32 actionId) private view returns (Ballot storage ballot) {
        ballot = _ballots[actionId];
        if (ballot.end < block.timestamp) revert NothingToVoteOn(actionId);
    }

    function _admit(address account, Role role) private returns (uint16 masterId) {
        _requireFree(account);
        if (role == Role.None) revert RoleMissing();
        if (masterCount == MAX_MASTERS) revert TooManyMasters();
        masterId = ++masterCount;
        _masters[masterId] = Master(account, role, true);
        _idOf[account] = masterId;
        _activeMasters |= 1 << masterId;
        emit MasterAdmitted(masterId, account, role);
    }

    function _changeRegulator(address regulator_, bytes memory encryptionKey) private {
        _requireFree(regulator_);
        if (encryptionKey.length == 0) revert EncryptionKeyMissing();
        regulator = regulator_;
        regulatorEncryptionKey = encryptionKey;
        emit RegulatorChanged(regulator_, encryptionKey);
    }

    function _changeSettings(Settings memory settings_) private {
        bool trades = settings_.maxCandidates != 0 && settings_.tradingRoles != 0;
        bool bounded = settings_.leastWh != 0 && settings_.bidMultiple != 0;
        bool priced = settings_.floorTicks <= settings_.fallbackTicks && settings_.fallbackTicks <= settings_.capTicks;
        if (!trades || !bounded || !priced || settings_.incentivePermille > 1_000) revert SettingsInvalid();
        _settings = settings_;
        _countTradingMasters();
        emit SettingsChanged(settings_);
    }

    function _countTradingMasters() private {
        uint256 trading;
        for (uint16 masterId = 1; masterId <= masterCount; ++masterId) {
            bool trades = _activeMasters >> masterId & 1 & _settings.tradingRoles >> uint8(_masters[masterId].role) != 0;
            if (trades) trading |= 1 << masterId;
        }
        _tradingMasters = trading;
    }

    /// @dev The regulator can be no master: whoever reads everything writes nothing.
    function _requireFree(address account) private view {
        if (account == address(0) || account == regulator || _idOf[account] != 0) revert AccountNotFree(account);
    }

    function _known(uint16 masterId) private view returns (Master storage known) {
        known = _masters[masterId];
        if (known.role == Role.None) revert UnknownMaster(masterId);
    }

    function _count(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) {
            ++count;
        }
    }
}
